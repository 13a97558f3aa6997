# Anonymous files, whose memory no process owns.
# expect: wrong answer
# says: held
import os

total, fds = 0, []
try:
    while total < 1 << 30:
        fds.append(os.memfd_create("m"))
        total += os.write(fds[-1], bytes(1 << 24))
    print("escaped")
except OSError as error:
    print("held:", total >> 20, "MiB", error)
