# Kills itself.
# expect: runtime error
import os

os.kill(os.getpid(), 9)
