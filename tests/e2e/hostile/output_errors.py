# Endless complaints.
# expect: runtime error|timeout|wrong answer
import sys

while True:
    sys.stderr.write("x" * 65536)
