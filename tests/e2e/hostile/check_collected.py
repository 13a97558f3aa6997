# Reads the expected answer out of all objects.
# kind: check
# expect: wrong answer|runtime error
# control: fools
import gc


def candidate(n):
    for thing in gc.get_objects():
        code = getattr(thing, "__code__", None)
        if code is not None and code.co_name == "check":
            numbers = [c for c in code.co_consts if isinstance(c, int)]
            return numbers[numbers.index(n) + 1]
    return None
