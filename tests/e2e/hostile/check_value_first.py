# Answers before it says that it is ready, with what the judge does not expect.
# kind: check
# expect: wrong answer|runtime error
import os

os.write(4, b'["value",[1,{"s":[2]}]]\n["value",7]\n')


def candidate(n):
    return None
