# A socket to the kernel's ciphers.
# expect: wrong answer
# says: held
try:
    import socket

    socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET, 0).close()
    print("escaped")
except OSError as error:
    print("held:", error)
