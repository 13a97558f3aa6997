# Answers with a line that never ends.
# kind: check
# expect: wrong answer|runtime error
import os


def candidate(n):
    while True:
        os.write(4, b"[" * 65536)
