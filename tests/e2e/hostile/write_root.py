# Writes beside its folder.
# expect: wrong answer
# says: held
try:
    open("/written", "w").write("x")
    import os

    os.unlink("/written")
    print("escaped")
except OSError as error:
    print("held:", error)
