# Puts a module where other programs would import it.
# expect: wrong answer
# says: held
try:
    import os
    import sysconfig

    name = sysconfig.get_paths()["stdlib"] + "/argosy_written.py"
    open(name, "w").close()
    os.unlink(name)
    print("escaped")
except OSError as error:
    print("held:", error)
