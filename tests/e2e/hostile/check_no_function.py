# Has no such function.
# kind: check
# expect: wrong answer|runtime error
answer = 1
