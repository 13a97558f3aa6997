# A queue of calls that no filter sees.
# expect: wrong answer
# says: held
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
try:
    if libc.syscall(425, 4, (ctypes.c_int * 64)()) < 0:
        raise OSError(ctypes.get_errno(), "refused")
    print("escaped")
except OSError as error:
    print("held:", error)
