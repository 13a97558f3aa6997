# The same with an iterator longer than may be sent.
# kind: check_twice
# expect: wrong answer|runtime error
import os


def candidate(n):
    os.write(4, b'["value",{"n":[' + b"1," * 150000 + b"1]}]\n")
    return None
