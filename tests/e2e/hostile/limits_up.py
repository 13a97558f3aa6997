# Raises its own limits.
# expect: wrong answer
# says: held
import resource

won = []
for name in ("AS", "CPU", "FSIZE", "NPROC", "NOFILE", "CORE", "STACK", "MEMLOCK"):
    number = getattr(resource, "RLIMIT_" + name)
    soft, hard = resource.getrlimit(number)
    if hard == resource.RLIM_INFINITY:
        won.append(name)
        continue
    try:
        resource.setrlimit(number, (hard + 1, hard + 1))
        won.append(name)
    except (OSError, ValueError):
        pass
print("escaped" if won else "held:", won)
