# Goes up out of its folder.
# expect: wrong answer
# says: held
# control: escapes
try:
    open("../../../../../../etc/hostname").read()
    print("escaped")
except OSError as error:
    print("held:", error)
