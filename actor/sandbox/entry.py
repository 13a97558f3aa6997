"""What is done first in every sandbox, before a stranger's line is run.

Bubblewrap ties the sandbox's life to its owner's only near the end of its own
start.  An owner that died before that is noticed here: it alone holds the other
end of a pipe.
"""

import posix
import resource

LIFELINE = 5


def enter(tasks, file_bytes):
    """Tasks are counted in the user namespace, so this user's others are left out."""
    try:
        if posix.read(LIFELINE, 1) == b"":
            posix._exit(1)
    except BlockingIOError:
        pass  # nothing to read, and not the end: it lives
    posix.close(LIFELINE)
    resource.setrlimit(resource.RLIMIT_NPROC, (int(tasks), int(tasks)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(file_bytes), int(file_bytes)))
