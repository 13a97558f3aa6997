# Gives the test false modules.
# kind: check_module
# expect: wrong answer|runtime error
# control: fools
import math
import sys


class Fake:
    def __getattr__(self, name):
        return lambda *_: 0


sys.modules["math"] = Fake()


def candidate(n):
    return 0
