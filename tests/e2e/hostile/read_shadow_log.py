# Lists logs and other state.
# expect: wrong answer
# says: held
# control: escapes
try:
    import os

    os.listdir("/var/log")
    print("escaped")
except OSError as error:
    print("held:", error)
