# Replaces the test.
# kind: check
# expect: wrong answer|runtime error
# control: fools
import sys

import __main__


class Nothing(dict):
    pass


def candidate(n):
    def check(candidate):
        return None

    frame = sys._getframe()
    while frame is not None:
        frame.f_globals["check"] = check
        frame = frame.f_back
    raise SystemExit(0)
