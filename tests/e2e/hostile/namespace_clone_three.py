# The same by clone3, whose flags no filter can see.
# kind: command
# expect: wrong answer
# says: held
import ctypes

libc = ctypes.CDLL(None, use_errno=True)

arguments = (ctypes.c_uint64 * 8)(0x10000000, 0, 0, 0, 17, 0, 0, 0)
child = libc.syscall(435, arguments, 64)
if child == 0:
    libc._exit(0)
print("escaped" if child > 0 else "held: %d" % ctypes.get_errno())
