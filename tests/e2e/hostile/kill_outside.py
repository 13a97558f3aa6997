# Kills a process of the machine.
# expect: wrong answer
# says: held
import json
import os

try:
    os.kill(json.loads(input())["victim"], 9)
    print("escaped")
except OSError as error:
    print("held:", error)
