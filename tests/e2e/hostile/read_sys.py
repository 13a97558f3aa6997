# Reads the kernel's settings.
# expect: wrong answer
# says: held
# control: escapes
try:
    import os

    os.listdir("/sys/class")
    print("escaped")
except OSError as error:
    print("held:", error)
