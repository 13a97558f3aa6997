# Goes before everybody else.
# expect: wrong answer
# says: held
try:
    import os

    os.nice(-10)
    print("escaped")
except OSError as error:
    print("held:", error)
