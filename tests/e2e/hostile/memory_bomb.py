# Takes memory until there is none.
# expect: out of memory
blocks = []
while True:
    blocks.append(bytearray(1 << 24))
