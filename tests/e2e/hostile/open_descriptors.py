# Looks for descriptors it was left.
# expect: wrong answer
# says: held
import os

left = []
for fd in range(3, 1024):
    try:
        os.fstat(fd)
        left.append(fd)
    except OSError:
        pass
print("escaped" if left else "held:", left)
