# A user namespace of its own, in which it is root.
# expect: wrong answer
# says: held
# control: escapes
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
try:
    if libc.unshare(0x10000000) < 0:
        raise OSError(ctypes.get_errno(), "refused")
    print("escaped")
except OSError as error:
    print("held:", error)
