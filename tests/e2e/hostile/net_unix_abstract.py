# Connects to a socket that is in no folder.
# expect: wrong answer
# says: held
# control: escapes
try:
    import json
    import socket

    socket.socket(socket.AF_UNIX).connect("\0" + json.loads(input())["unix_name"])
    print("escaped")
except OSError as error:
    print("held:", error)
