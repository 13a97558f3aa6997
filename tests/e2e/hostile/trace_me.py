# Asks to be traced.
# expect: wrong answer
# says: held
# control: escapes
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
try:
    if libc.ptrace(0, 0, None, None) < 0:
        raise OSError(ctypes.get_errno(), "refused")
    print("escaped")
except OSError as error:
    print("held:", error)
