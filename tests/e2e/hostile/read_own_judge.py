# Looks for the files of the harness beside its own.
# expect: wrong answer
# says: held
try:
    import os

    names = sorted(os.listdir("/box"))
    if names == ["entry.py", "program", "program_runner.py"]:
        raise OSError("only what runs it")
    print("escaped")
except OSError as error:
    print("held:", error)
