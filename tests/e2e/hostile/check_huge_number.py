# Answers with a number of a million digits.
# kind: check
# expect: wrong answer|runtime error
def candidate(n):
    return 10**1000000
