# Looks a name up.
# expect: wrong answer
# says: held
try:
    import socket

    socket.getaddrinfo("localhost", 80)
    if not socket.if_nameindex():
        raise OSError("no interface")
    print("escaped")
except OSError as error:
    print("held:", error)
