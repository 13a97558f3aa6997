# Leaves a process behind that holds its output.
# kind: command
# expect: passed|wrong answer
# control: stays
import os
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
        os._exit(0)
    os._exit(0)
print("held: parent ends")
