# Changes the arguments until the test is content.
# kind: check_argument
# expect: wrong answer|runtime error
# control: fools
def candidate(numbers):
    numbers.clear()
    return []
