# Forks for ever where processes are allowed.
# kind: command
# expect: wrong answer|timeout|runtime error
import os

while True:
    try:
        os.fork()
    except OSError:
        pass
