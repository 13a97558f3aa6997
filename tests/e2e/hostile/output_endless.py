# Prints for ever.
# expect: too much output
while True:
    print("escaped" * 1000)
