# Maps 1 TiB.
# expect: wrong answer
# says: held
# control: escapes
import mmap

try:
    area = mmap.mmap(-1, 1 << 40, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)
    print("escaped")
except (OSError, ValueError) as error:
    print("held:", error)
