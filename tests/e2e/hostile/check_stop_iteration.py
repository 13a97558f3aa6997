# Raises what ends loops quietly.
# kind: check_loop
# expect: wrong answer|runtime error
# control: fools
def candidate(n):
    raise StopIteration
