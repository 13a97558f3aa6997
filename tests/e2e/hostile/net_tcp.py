# Connects to a service of the machine.
# expect: wrong answer
# says: held
# control: escapes
try:
    import json
    import socket

    socket.create_connection(("127.0.0.1", json.loads(input())["tcp_port"]), 2).close()
    print("escaped")
except OSError as error:
    print("held:", error)
