# Spins in C, in many threads, without the interpreter's lock.
# expect: timeout
import hashlib
import threading


def spin():
    while True:
        hashlib.sha256(bytes(1 << 22)).digest()


for _ in range(8):
    threading.Thread(target=spin).start()
