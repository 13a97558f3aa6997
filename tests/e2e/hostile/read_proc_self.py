# Finds its parent through /proc.
# expect: wrong answer
# says: held
# control: escapes
try:
    open("/proc/self/status").read()
    print("escaped")
except OSError as error:
    print("held:", error)
