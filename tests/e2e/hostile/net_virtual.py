# A socket to the machine below.
# expect: wrong answer
# says: held
try:
    import socket

    socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM, 0).close()
    print("escaped")
except OSError as error:
    print("held:", error)
