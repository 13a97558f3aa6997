# Reads another's memory.
# expect: wrong answer
# says: held
# control: escapes
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
try:
    if libc.process_vm_readv(1, None, 0, None, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "refused")
    print("escaped")
except OSError as error:
    print("held:", error)
