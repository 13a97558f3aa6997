# An answer whose text never ends.
# kind: check
# expect: wrong answer|runtime error|out of memory|timeout
class Long(list):
    def __iter__(self):
        while True:
            yield 1

    def __repr__(self):
        return "x" * (1 << 40)


def candidate(n):
    return Long([1])
