"""Runs a program that reads its standard input and writes its standard output."""

import builtins
import resource
import sys


def main():
    tasks, file_bytes, status_uncompiled = (int(argument) for argument in sys.argv[1:])
    resource.setrlimit(resource.RLIMIT_NPROC, (tasks, tasks))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    # What the site module would add; it is not loaded, to start in half the time.
    builtins.exit = builtins.quit = sys.exit
    with open("/box/program", "rb") as file:
        source = file.read()
    try:
        code = compile(source, "/box/program", "exec")
    except BaseException as error:
        sys.stderr.write("%s: %s" % (type(error).__name__, error))
        sys.exit(status_uncompiled)
    module = type(sys)("__main__")
    sys.modules["__main__"] = module
    sys.argv = ["/box/program"]
    return code, module.__dict__


exec(*main())
