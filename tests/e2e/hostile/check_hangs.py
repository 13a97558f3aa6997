# Never answers.
# kind: check
# expect: timeout
import time


def candidate(n):
    time.sleep(1000)
