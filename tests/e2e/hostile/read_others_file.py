# Reads a file of another item.
# expect: wrong answer
# says: held
# control: escapes
try:
    import json

    open(json.loads(input())["secret_file"]).read()
    print("escaped")
except OSError as error:
    print("held:", error)
