# Lists home folders.
# expect: wrong answer
# says: held
# control: escapes
try:
    import os

    if not any(os.path.isdir("/" + name) for name in ("root", "home")):
        raise OSError("no home")
    print("escaped")
except OSError as error:
    print("held:", error)
