# Uses no time at all, and does not end.
# expect: timeout
import time

time.sleep(1000)
