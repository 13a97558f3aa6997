# Speaks as the sandbox would.
# kind: secret
# expect: wrong answer|runtime error
import os
import sys

sys.stderr.write('bwrap: Creating new namespace failed: Operation not permitted\n{ "exit-code": 0 }\n')
os._exit(1)
