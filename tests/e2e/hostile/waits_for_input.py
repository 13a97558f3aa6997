# Reads on a pipe nobody writes to.
# expect: timeout
import os

read_end, write_end = os.pipe()
os.read(read_end, 1)
