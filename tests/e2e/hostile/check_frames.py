# Reads the expected answer out of the caller's code.
# kind: check
# expect: wrong answer|runtime error
# control: fools
import sys


def candidate(n):
    frame = sys._getframe(1)
    numbers = [c for c in frame.f_code.co_consts if isinstance(c, int)]
    return numbers[numbers.index(n) + 1] if n in numbers else None
