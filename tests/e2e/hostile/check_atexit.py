# Turns a bad end into a good one.
# kind: check
# expect: wrong answer|runtime error
# control: fools
import atexit
import os

atexit.register(os._exit, 0)


def candidate(n):
    return None
