# Answers with a set that takes for ever to build.
# kind: check
# expect: wrong answer|timeout|runtime error
def candidate(n):
    return {i * (2**61 - 1) for i in range(3000)} | {frozenset([i]) for i in range(3000)}
