# A regular expression that never ends.
# expect: timeout
import re

re.match(r"(a+)+$", "a" * 40 + "b")
print("escaped")
