# Is not Python.
# kind: check
# expect: compile error
def candidate(:
