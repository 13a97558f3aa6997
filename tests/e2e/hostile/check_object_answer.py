# The same with an object that has a name instead of a number.
# kind: check_twice
# expect: wrong answer|runtime error
import os


def candidate(n):
    os.write(4, b'["value",{"o":"candidate"}]\n')
    return None
