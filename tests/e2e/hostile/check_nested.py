# Answers with a list in a list in a list, for ever.
# kind: check
# expect: wrong answer|runtime error
import os


def candidate(n):
    os.write(4, b'["value",' + b"[" * 500000 + b"]" * 500000 + b"]\n")
    return None
