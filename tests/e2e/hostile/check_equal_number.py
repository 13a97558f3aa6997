# A number equal to every number.
# kind: check
# expect: wrong answer|runtime error
# control: fools
class Number(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


def candidate(n):
    return Number(0)
