"""Runs a program that reads its standard input and writes its standard output."""

import builtins
import sys

import entry

STATUS_UNCOMPILED = 97

def main():
    entry.enter(sys.argv[1], sys.argv[2])
    # What the site module would add; it is not loaded, to start in half the time.
    builtins.exit = builtins.quit = sys.exit
    with open("/box/program", "rb") as file:
        source = file.read()
    try:
        code = compile(source, "/box/program", "exec")
    except BaseException as error:
        sys.stderr.write("%s: %s" % (type(error).__name__, error))
        sys.exit(STATUS_UNCOMPILED)
    module = type(sys)("__main__")
    sys.modules["__main__"] = module
    sys.argv = ["/box/program"]
    return code, module.__dict__


exec(*main())
