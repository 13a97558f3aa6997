# The shell's own.
# kind: command
# command: /bin/sh /box/program
# expect: timeout|runtime error|wrong answer
bomb() { bomb | bomb & }
bomb
while true; do bomb; done
