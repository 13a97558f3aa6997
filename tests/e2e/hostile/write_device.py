# Opens a disk.
# expect: wrong answer
# says: held
try:
    import os

    for name in os.listdir("/dev"):
        if name[:2] in ("vd", "sd", "nv", "lo", "dm", "me", "km"):
            open("/dev/" + name, "rb").close()
            break
    else:
        raise OSError("no device")
    print("escaped")
except OSError as error:
    print("held:", error)
