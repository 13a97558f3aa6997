# Ends well and says nothing.
# kind: secret
# expect: wrong answer
import os

os._exit(0)
