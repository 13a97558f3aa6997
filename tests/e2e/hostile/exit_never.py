# Its last act never ends.
# expect: timeout
import atexit
import time

atexit.register(time.sleep, 1000)
print("escaped")
