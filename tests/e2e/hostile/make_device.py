# Makes itself a disk.
# expect: wrong answer
# says: held
try:
    import os
    import stat

    os.mknod("/tmp/disk-of-argosy", stat.S_IFBLK | 0o600, os.makedev(8, 0))
    os.unlink("/tmp/disk-of-argosy")
    print("escaped")
except OSError as error:
    print("held:", error)
