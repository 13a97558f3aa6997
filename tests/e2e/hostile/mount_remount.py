# Makes its root writable again.
# expect: wrong answer
# says: held
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
try:
    if libc.mount(None, b"/", None, 32 | 4096, None) < 0:
        raise OSError(ctypes.get_errno(), "refused")
    print("escaped")
except OSError as error:
    print("held:", error)
