# Opens a file by its number.
# expect: wrong answer
# says: held
# control: escapes
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
try:
    if libc.syscall(303, -100, b"/", (ctypes.c_int * 64)(128), (ctypes.c_int * 2)(), 0) < 0:
        raise OSError(ctypes.get_errno(), "refused")
    print("escaped")
except OSError as error:
    print("held:", error)
