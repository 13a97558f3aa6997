# Raises the exception that ends a program well.
# kind: check
# expect: wrong answer|runtime error
# control: fools
def candidate(n):
    raise SystemExit(0)
