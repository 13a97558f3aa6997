# Calls the kernel as a 32-bit program, past a 64-bit filter.
# expect: runtime error|wrong answer
# says: status 159|held
import ctypes
import mmap

code = b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"  # mov eax, 20 (getpid); int 0x80; ret
area = mmap.mmap(-1, 4096, prot=7)
area.write(code)
address = ctypes.addressof(ctypes.c_char.from_buffer(area))
got = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
print("escaped" if got > 0 else "held: %d" % got)
