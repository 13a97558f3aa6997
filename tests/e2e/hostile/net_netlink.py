# Asks the kernel about its network.
# expect: wrong answer
# says: held
# control: escapes
try:
    import socket

    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()
    print("escaped")
except OSError as error:
    print("held:", error)
