# A file of 1 TiB that is all holes.
# expect: wrong answer
# says: held
try:
    with open("/tmp/sparse", "wb") as file:
        file.truncate(1 << 40)
    print("escaped")
except OSError as error:
    print("held:", error)
