# Answers with something equal to everything.
# kind: check
# expect: wrong answer|runtime error
# control: fools
class Yes:
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False


def candidate(n):
    return Yes()
