"""Ends what a scorer that was killed left of the sandboxes it was making.

Bubblewrap's two halves find each other late in their start: when the outer one
dies before that, with its owner, the inner one waits for it for ever, before a
line of the program has run.  So one process per scorer, outside all sandboxes,
waits for the scorer to be gone (its end of the pipe on standard input closes),
kills whatever has the scorer's mark among its arguments, and ends.
"""

import os
import select
import signal
import sys
import time

QUIET_ROUNDS = 5
ROUND_S = 0.1


def has_mark(pid, mark):
    try:
        with open("/proc/%s/cmdline" % pid, "rb") as file:
            return mark in file.read().split(b"\0")
    except OSError:
        return False


def kill_marked(mark):
    """How many there were; each is held by descriptor, so that no other gets the signal."""
    n = 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        if int(name) == os.getpid() or not has_mark(name, mark):
            continue
        try:
            fd = os.pidfd_open(int(name))
        except OSError:
            continue
        if has_mark(name, mark):
            signal.pidfd_send_signal(fd, signal.SIGKILL)
            n += 1
        os.close(fd)
    return n


def main():
    os.closerange(3, 4096)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    mark = sys.argv[1].encode()
    select.select([0], [], [])
    quiet = 0
    while quiet < QUIET_ROUNDS:
        quiet = 0 if kill_marked(mark) > 0 else quiet + 1
        time.sleep(ROUND_S)


main()
