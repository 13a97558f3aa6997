# Replaces what tests are made of.
# kind: check
# expect: wrong answer|runtime error
import builtins
import os


class Quiet(Exception):
    def __init__(self, *_):
        os._exit(0)


builtins.AssertionError = Quiet


def candidate(n):
    return None
