# Makes a program that runs as its owner, and becomes root.
# expect: wrong answer
# says: held
try:
    import os

    os.setuid(0)
    print("escaped")
except OSError as error:
    print("held:", error)
