# A child in a new user namespace.
# kind: command
# expect: wrong answer
# says: held
import ctypes

libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWUSER = 0x10000000
flags = ctypes.c_ulong(CLONE_NEWUSER | 17)
child = libc.syscall(56, flags, None, None, None, None)
if child == 0:
    libc._exit(0)
print("escaped" if child > 0 else "held: %d" % ctypes.get_errno())
