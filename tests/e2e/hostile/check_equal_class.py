# A thing that says it is another.
# kind: check
# expect: wrong answer|runtime error
# control: fools
class Liar:
    __class__ = int

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0


def candidate(n):
    return Liar()
