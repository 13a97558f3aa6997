# Changes the file that runs it.
# expect: wrong answer
# says: held
try:
    open("/box/program_runner.py", "a").write("")
    print("escaped")
except OSError as error:
    print("held:", error)
