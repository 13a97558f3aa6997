# Swaps its root for the old one.
# expect: wrong answer
# says: held
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
try:
    if libc.syscall(155, b".", b".") < 0:
        raise OSError(ctypes.get_errno(), "refused")
    print("escaped")
except OSError as error:
    print("held:", error)
