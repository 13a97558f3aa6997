# Searches its own memory for what is expected.
# kind: secret
# expect: wrong answer
# says: held
import gc
import sys

found = None
for thing in gc.get_objects():
    for part in gc.get_referents(thing):
        if isinstance(part, (str, bytes)) and "answer-" in str(part) and len(part) == 39:
            found = part
frame = sys._getframe()
while frame is not None:
    for value in [*frame.f_locals.values(), *frame.f_globals.values()]:
        if isinstance(value, str) and value.startswith("answer-"):
            found = value
    frame = frame.f_back
print(found or "held: nothing")
