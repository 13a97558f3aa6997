# Replaces the harness's own functions.
# kind: check
# expect: wrong answer|runtime error
import sys

literals = sys.modules.get("literals")
if literals is not None:
    literals.encode = lambda *_: "true"
    literals.parse = lambda *_: ["value", True]


def candidate(n):
    return True
