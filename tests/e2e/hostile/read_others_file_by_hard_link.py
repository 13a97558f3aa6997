# The same through a hard link.
# expect: wrong answer
# says: held
# control: escapes
try:
    import json
    import os
    import tempfile

    secret = json.loads(input())["secret_file"]
    link = secret + ".link" if os.path.exists(secret) else tempfile.mktemp()
    os.link(secret, link)
    os.unlink(link)
    print("escaped")
except OSError as error:
    print("held:", error)
