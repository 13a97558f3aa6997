# Kills all it may.
# expect: wrong answer|runtime error
import os

for pid in [-1, 0, 1, os.getppid(), *range(3, 3000)]:
    if pid in (0, os.getpid()):
        continue
    try:
        os.kill(pid, 9)
    except OSError:
        pass
print("held: alive")
