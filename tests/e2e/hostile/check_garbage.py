# Answers with bytes that are nothing.
# kind: check
# expect: wrong answer|runtime error
import os


def candidate(n):
    os.write(4, os.urandom(4096) + b"\n")
    return None
