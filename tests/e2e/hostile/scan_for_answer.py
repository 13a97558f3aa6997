# Reads all it can reach for what is expected.
# kind: secret
# expect: wrong answer
# says: held: [0-9]+ files
import os
import re

seen, found = 0, None


def look(data):
    global seen, found
    seen += 1
    match = re.search(rb"answer-[0-9a-f]{32}", data)
    if match:
        found = match.group().decode()


for fd in range(3, 64):
    try:
        look(os.read(fd, 1 << 20))
    except OSError:
        pass
for top in ("/box", "/tmp", "/dev", "/etc", "/run", "/var"):
    for folder, _, names in os.walk(top):
        for name in names:
            if name in ("zero", "random", "urandom"):
                continue
            try:
                with open(os.path.join(folder, name), "rb") as file:
                    look(file.read(1 << 20))
            except OSError:
                pass
print(found or "held: %d files" % seen)
