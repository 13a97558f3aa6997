# Closes all it has, and sleeps.
# kind: check
# expect: wrong answer|runtime error
import os
import time


def candidate(n):
    os.closerange(0, 64)
    time.sleep(1000)
