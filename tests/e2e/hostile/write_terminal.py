# Types into the terminal.
# expect: wrong answer
# says: held
try:
    import fcntl

    with open("/dev/tty", "rb") as tty:
        fcntl.ioctl(tty, 0x5412, b"x")
    print("escaped")
except OSError as error:
    print("held:", error)
