# Mounts /proc.
# expect: wrong answer
# says: held
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
try:
    if libc.mount(b"proc", b"/tmp", b"proc", 0, None) < 0:
        raise OSError(ctypes.get_errno(), "refused")
    print("escaped")
except OSError as error:
    print("held:", error)
