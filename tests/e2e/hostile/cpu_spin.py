# Spins.
# expect: timeout
while True:
    pass
