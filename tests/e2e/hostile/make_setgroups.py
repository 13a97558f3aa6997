# Takes all groups.
# expect: wrong answer
# says: held
try:
    import os

    os.setgroups([0])
    print("escaped")
except OSError as error:
    print("held:", error)
