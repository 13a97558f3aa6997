# The same through a symbolic link.
# expect: wrong answer
# says: held
# control: escapes
try:
    import json
    import os
    import tempfile

    link = tempfile.mktemp()
    os.symlink(json.loads(input())["secret_file"], link)
    try:
        open(link).read()
    finally:
        os.unlink(link)
    print("escaped")
except OSError as error:
    print("held:", error)
