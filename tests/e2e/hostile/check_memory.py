# Takes memory when called.
# kind: check
# expect: out of memory
def candidate(n):
    return [bytearray(1 << 24) for _ in range(1 << 20)]
