# Reads what process 1 was started with.
# expect: wrong answer
# says: held
# control: escapes
try:
    open("/proc/1/cmdline").read()
    print("escaped")
except OSError as error:
    print("held:", error)
