# Answers so that the answer cannot be an argument again, as if the tests were at fault.
# kind: check_twice
# expect: wrong answer|runtime error
import os


def candidate(n):
    os.write(4, b'["value",' + b"[" * 101 + b"]" * 101 + b"]\n")
    os.write(4, b'["value",' + b"[" * 101 + b"]" * 101 + b"]\n")
    return None
