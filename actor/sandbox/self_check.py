"""Says whether the place it runs in is closed: "isolated", or what is open."""

import posix
import sys

import _socket
import _thread
import entry

entry.enter(sys.argv[1], sys.argv[2])
faults = []


def want_refused(what, action):
    try:
        action()
    except OSError:
        return
    faults.append(what)


def want_allowed(what, action):
    try:
        action()
    except BaseException as error:
        faults.append("%s: %s" % (what, error))


def run_thread():
    lock = _thread.allocate_lock()
    lock.acquire()
    _thread.start_new_thread(lock.release, ())
    if not lock.acquire(True, 10):
        raise OSError("it does not run")


want_refused("/etc/passwd can be read", lambda: open("/etc/passwd"))
want_refused("/proc is there", lambda: posix.listdir("/proc"))
want_refused("the root can be written", lambda: open("/written", "w"))
want_refused("sockets can be made", lambda: _socket.socket(_socket.AF_UNIX))
want_refused("network sockets can be made", lambda: _socket.socket(_socket.AF_INET))
want_refused("processes can be started", posix.fork)
want_refused("it may become root", lambda: posix.setuid(0))
want_allowed("/tmp cannot be written", lambda: open("/tmp/written", "w"))
want_allowed("no thread can be started", run_thread)
if posix.getuid() == 0:
    faults.append("it runs as root")
if posix.environ.get(b"HOME") != b"/tmp":
    faults.append("the environment is not cleared")
print("; ".join(faults) or "isolated")
