# Takes memory, and again after each refusal.
# expect: timeout|out of memory|runtime error
blocks = []
while True:
    try:
        blocks.append(bytearray(1 << 20))
    except MemoryError:
        pass
