# The numbers of the x32 calls.
# expect: runtime error|wrong answer
# says: status 159|held
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
print("escaped" if libc.syscall(0x40000000 + 39) > 0 else "held: %d" % ctypes.get_errno())
