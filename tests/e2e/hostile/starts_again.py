# Becomes a new program again and again.
# expect: timeout|runtime error|wrong answer
import os
import sys

os.execv(sys.executable, [sys.executable, "-S", "/box/program"])
