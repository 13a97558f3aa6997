# Starts threads without end.
# expect: wrong answer
# says: held: [0-9]{1,2} threads
import os
import threading
import time

n = 0
try:
    while n < 1000:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        n += 1
    print("escaped", flush=True)
except RuntimeError:
    print("held:", n, "threads", flush=True)
os._exit(0)
