# Sees all packets.
# expect: wrong answer
# says: held
try:
    import socket

    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 768).close()
    print("escaped")
except OSError as error:
    print("held:", error)
