# Reads a secret from the environment.
# expect: wrong answer
# says: held
# control: escapes
try:
    import os

    if os.environ.get("ARGOSY_SECRET") is None:
        raise OSError("no such variable")
    print("escaped")
except OSError as error:
    print("held:", error)
