"""Becomes a command, limited."""

import posix
import sys

import entry

STATUS_NOT_FOUND = 127

entry.enter(sys.argv[1], sys.argv[2])
name, *arguments = sys.argv[3:]
folders = [""] if "/" in name else ["/usr/local/bin/", "/usr/bin/", "/bin/"]
for folder in folders:
    try:
        posix.execve(folder + name, [name, *arguments], posix.environ)
    except OSError as error:
        failure = error
sys.stderr.write("%s: %s" % (name, failure))
sys.exit(STATUS_NOT_FOUND)
