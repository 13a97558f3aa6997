# Calls itself for ever.
# expect: runtime error
def f():
    f()


f()
