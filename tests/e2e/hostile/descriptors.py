# Opens files without end.
# expect: wrong answer
# says: held
import os

n = 0
try:
    while n < 100000:
        os.open("/dev/null", os.O_RDONLY)
        n += 1
    print("escaped")
except OSError as error:
    print("held:", n, error)
