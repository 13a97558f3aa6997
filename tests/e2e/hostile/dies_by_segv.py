# Reads where there is nothing.
# expect: runtime error
# says: status 139
import ctypes

ctypes.string_at(0)
