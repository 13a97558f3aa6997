# Forks for ever.
# expect: wrong answer
# says: held
import os

n = 0
try:
    while True:
        os.fork()
        n += 1
        if n > 200:
            print("escaped")
            break
except OSError as error:
    print("held:", error)
