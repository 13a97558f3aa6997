# Answers before it is asked.
# kind: check
# expect: wrong answer|runtime error
import os

for fd in range(3, 64):
    try:
        os.write(fd, b'["value",true]\n' * 50 + b'["ready"]\n' * 3)
    except OSError:
        pass


def candidate(n):
    return True
