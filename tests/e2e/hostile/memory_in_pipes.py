# Pipes with as much in them as they hold.
# expect: wrong answer
# says: held
import fcntl
import os

total = 0
try:
    while total < 1 << 30:
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        try:
            fcntl.fcntl(write_end, 1031, 1 << 20)
        except OSError:
            pass
        total += os.write(write_end, bytes(1 << 20))
    print("escaped")
except OSError as error:
    print("held:", total >> 20, "MiB", error)
