# Works for ever.
# kind: check
# expect: timeout
def candidate(n):
    while True:
        pass
