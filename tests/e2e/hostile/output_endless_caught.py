# Prints for ever and ignores that it cannot.
# expect: timeout|too much output
import os

while True:
    try:
        os.write(1, b"x" * 65536)
    except OSError:
        pass
