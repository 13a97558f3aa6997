# Calls itself until the machine's stack ends.
# expect: runtime error|out of memory|timeout
import sys

sys.setrecursionlimit(1 << 30)


class Deep:
    def __getattr__(self, name):
        return getattr(self, name + "x")


Deep().x
