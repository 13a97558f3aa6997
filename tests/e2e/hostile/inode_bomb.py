# Empty files without end.
# expect: timeout|wrong answer|runtime error
n = 0
while True:
    open("/tmp/%d" % n, "w").close()
    n += 1
