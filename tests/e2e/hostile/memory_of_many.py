# Many processes that take memory each.
# kind: command
# expect: out of memory
import os

for _ in range(64):
    try:
        os.fork()
    except OSError:
        break
blocks = []
while True:
    try:
        blocks.append(b"x" * (1 << 22))
    except MemoryError:
        pass
