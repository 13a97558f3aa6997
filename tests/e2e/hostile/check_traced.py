# Traces the test and jumps over its assertions.
# kind: check
# expect: wrong answer|runtime error
# control: fools
import sys


def trace(frame, event, argument):
    if frame.f_code.co_name == "check":
        import os

        os._exit(0)
    return trace


sys.settrace(trace)


def candidate(n):
    return None
