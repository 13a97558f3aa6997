# Prints too much, then makes its output short again.
# expect: wrong answer
import os

for _ in range(4):
    os.write(1, b"x" * 10000)
os.ftruncate(1, 0)
os.lseek(1, 0, 0)
os.write(1, b"passed\n")
