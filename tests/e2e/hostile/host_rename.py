# Renames the machine.
# expect: wrong answer
# says: held
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
try:
    if libc.sethostname(b"argosy", 6) < 0:
        raise OSError(ctypes.get_errno(), "refused")
    print("escaped")
except OSError as error:
    print("held:", error)
