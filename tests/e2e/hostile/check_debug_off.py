# Asks for assertions to be left out.
# kind: check
# expect: wrong answer|runtime error
# control: fools
import os
import sys

if __debug__ and sys.argv[0].endswith("naive.py"):
    os.execv(sys.executable, [sys.executable, "-O", *sys.argv])


def candidate(n):
    return None
