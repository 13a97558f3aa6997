# Answers with objects that do not exist.
# kind: check
# expect: wrong answer|runtime error
import os


def candidate(n):
    os.write(4, b'["value",{"o":{"o":["x"]}}]\n["value",{"o":-1}]\n["value",{"q":7}]\n')
    return None
