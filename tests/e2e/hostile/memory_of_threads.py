# Processes that take memory, each started by a thread of its own.
# kind: command
# expect: out of memory
import os
import threading
import time


def hide():
    if os.fork() == 0:
        blocks = []
        while len(blocks) < 64:
            blocks.append(b"x" * (1 << 20))
        time.sleep(1000)


for _ in range(3):
    threading.Thread(target=hide).start()
time.sleep(1000)
