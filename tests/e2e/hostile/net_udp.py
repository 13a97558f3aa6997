# Sends a datagram.
# expect: wrong answer
# says: held
# control: escapes
try:
    import json
    import socket

    port = json.loads(input())["udp_port"]
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"escaped", ("127.0.0.1", port))
    print("escaped")
except OSError as error:
    print("held:", error)
