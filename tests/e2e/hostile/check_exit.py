# Ends well before there is a test.
# kind: check
# expect: wrong answer|runtime error
# control: fools
import sys

print('OK')
sys.exit(0)
