# A number too long to work out.
# expect: timeout|out of memory|runtime error
print(9**9**9)
