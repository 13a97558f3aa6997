# Listens on IPv6.
# expect: wrong answer
# says: held
try:
    import socket

    socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    print("escaped")
except OSError as error:
    print("held:", error)
