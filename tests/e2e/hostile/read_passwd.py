# Reads the users of the machine.
# expect: wrong answer
# says: held
# control: escapes
try:
    open("/etc/passwd").read()
    print("escaped")
except OSError as error:
    print("held:", error)
