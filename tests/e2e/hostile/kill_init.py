# Ends the process that watches over it.
# expect: wrong answer
# says: held
import os
import time

for number in range(1, 65):
    try:
        os.kill(1, number)
    except OSError:
        pass
time.sleep(0.2)
print("held: alive")
