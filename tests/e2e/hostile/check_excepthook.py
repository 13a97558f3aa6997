# Swallows the error.
# kind: check
# expect: wrong answer|runtime error
# control: fools
import os
import sys

sys.excepthook = lambda *_: os._exit(0)


def candidate(n):
    return None
