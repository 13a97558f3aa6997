# Fills /tmp.
# expect: wrong answer
# says: held
import errno

total = 0
try:
    for n in range(1 << 20):
        with open("/tmp/%d" % n, "wb") as file:
            total += file.write(bytes(32768))
        if total > 1 << 30:
            print("escaped")
            break
except OSError as error:
    print("held:", total >> 20, "MiB", errno.errorcode[error.errno])
