# Connects to a socket in a folder.
# expect: wrong answer
# says: held
# control: escapes
try:
    import json
    import socket

    socket.socket(socket.AF_UNIX).connect(json.loads(input())["unix_path"])
    print("escaped")
except OSError as error:
    print("held:", error)
