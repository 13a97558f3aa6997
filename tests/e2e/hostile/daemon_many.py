# Leaves many behind, deaf to signals, that start anew.
# kind: command
# expect: passed|wrong answer|timeout
import os
import signal
import time

for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
for _ in range(3):
    if os.fork() == 0:
        while True:
            try:
                if os.fork() == 0:
                    os.setsid()
                    continue
            except OSError:
                pass
            time.sleep(0.01)
print("held: parent ends")
