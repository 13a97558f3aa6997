# Folders in folders without end.
# expect: timeout|wrong answer|runtime error
import os

while True:
    os.mkdir("d")
    os.chdir("d")
