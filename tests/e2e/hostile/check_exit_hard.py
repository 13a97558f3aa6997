# Ends well in the middle of one.
# kind: check
# expect: wrong answer|runtime error
# control: fools
import os


def candidate(n):
    print("OK", flush=True)
    os._exit(0)
