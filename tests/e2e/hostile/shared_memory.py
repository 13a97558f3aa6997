# System V shared memory, which outlives its maker.
# expect: wrong answer
# says: held
# control: escapes
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
segment = libc.shmget(0, 4096, 0o1600)
if segment >= 0:
    libc.shmctl(segment, 0, None)
    print("escaped")
else:
    print("held:", ctypes.get_errno())
