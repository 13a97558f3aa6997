# Leaves a thread behind.
# expect: timeout
import threading
import time

threading.Thread(target=time.sleep, args=(1000,)).start()
print("escaped")
