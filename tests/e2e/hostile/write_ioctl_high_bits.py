# The same with bits that a filter may overlook.
# expect: wrong answer
# says: held
try:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ioctl(0, ctypes.c_ulong(1 << 32 | 0x5412), b"x") != 0:
        raise OSError(ctypes.get_errno(), "TIOCSTI")
    print("escaped")
except OSError as error:
    print("held:", error)
