"""Runs every program of tests/e2e/hostile as somebody's answer.

Each must fail in the way its first lines say, and leave nothing behind; the
honest program after it must pass.  So that a program that cannot hurt anybody
does not count as one that was held, those that say "control: escapes" are also
run as they are, and must succeed, and those that say "control: fools" are also
judged the simple way, in one interpreter with the tests, and must win there.

    sandbox_hostile.py CODE_TOOL [NAME...]
"""

import concurrent.futures
import glob
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"
# A size nobody else asks for: sandboxes of this test are found by it.
DISK_BYTES = (16 << 20) + 4096 * (os.getpid() % 1000 + 1)
LIMITS = {"cpu_s": 1, "wall_s": 3, "memory_bytes": 128 << 20, "disk_bytes": DISK_BYTES}
NUMBERS = [secrets.randbelow(1 << 40) + (1 << 40) for _ in range(2)]
ANSWER = "answer-" + secrets.token_hex(16)
WORKERS = "6"  # more than there are processors: sleepers cost none, and items meet
HONEST = "print(int(input()) + 1)"

NAIVE = """
import sys
program, test = sys.argv[1:]
scope = globals()
exec(compile(open(program).read(), program, "exec"), scope)
exec(compile(open(test).read(), test, "exec"), scope)
check(candidate)
"""
CHECKS = {
    "check": "def check(candidate):\n    assert candidate(3) == %d\n    assert candidate(4) == %d\n"
    % tuple(NUMBERS),
    "check_loop": "def check(candidate):\n    got = list(map(candidate, [3, 4]))\n"
    "    assert all(g == w for g, w in zip(got, %r))\n" % NUMBERS,
    "check_argument": "def check(candidate):\n    numbers = [3, 1, 2]\n"
    "    got = candidate(numbers)\n    assert got == sorted(numbers)\n",
    "check_twice": "def check(candidate):\n    assert candidate([candidate(3)]) == %d\n"
    % NUMBERS[0],
    "check_module": "import math\n\n\ndef check(candidate):\n"
    "    assert candidate(3) == math.factorial(20)\n",
}


class Program:
    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path)[:-3]
        with open(path, newline="") as file:
            self.text = file.read()
        head = dict(re.findall(r"^# (kind|expect|says|control|command): (.*)$", self.text, re.M))
        self.kind = head.get("kind", "stdio")
        self.expect = head["expect"].split("|")
        self.says = head.get("says", "")
        self.control = head.get("control", "")
        self.command = head.get("command", PYTHON + " /box/program").split()


class World:
    """What there is to reach, if one could."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="argosy-hostile-")
        os.chmod(self.folder, 0o755)
        self.secret = os.path.join(self.folder, "secret")
        with open(self.secret, "w") as file:
            file.write(ANSWER)
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.unix_path = os.path.join(self.folder, "socket")
        self.unix_name = "argosy-" + secrets.token_hex(8)
        self.unix = [socket.socket(socket.AF_UNIX) for _ in range(2)]
        self.unix[0].bind(self.unix_path)
        os.chmod(self.unix_path, 0o777)
        self.unix[1].bind("\0" + self.unix_name)
        for listener in self.unix:
            listener.listen(64)
        self.victim = subprocess.Popen(["sleep", "1000"])

    def facts(self, victim):
        return json.dumps(
            {
                "secret_file": self.secret,
                "tcp_port": self.tcp.getsockname()[1],
                "udp_port": self.udp.getsockname()[1],
                "unix_path": self.unix_path,
                "unix_name": self.unix_name,
                "victim": victim.pid,
            }
        )

    def visitors(self):
        """Connections and datagrams that arrived since it was last asked."""
        n = 0
        for listener in [self.tcp, self.udp, *self.unix]:
            listener.setblocking(False)
            try:
                while True:
                    if listener is self.udp:
                        listener.recv(100)
                    else:
                        listener.accept()[0].close()
                    n += 1
            except BlockingIOError:
                pass
        return n

    def close(self):
        self.victim.kill()
        self.victim.wait()
        for listener in [self.tcp, self.udp, *self.unix]:
            listener.close()
        for name in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, name))
        os.rmdir(self.folder)


def case_of(program, world):
    case = {"id": program.name, "program": program.text, "limits": dict(LIMITS)}
    if program.kind.startswith("check"):
        row = {"test": CHECKS[program.kind], "entry_point": "candidate"}
    else:
        want = ANSWER if program.kind == "secret" else "escaped"
        row = {"inputs": [world.facts(world.victim)], "outputs": [want]}
    if program.kind == "command":
        case["command"] = program.command
        case["limits"]["tasks"] = 8
    case["row"] = json.dumps(row)
    return case


def honest_case(name):
    row = {"inputs": ["41\n"], "outputs": ["42\n"]}
    return {"id": "after " + name, "program": HONEST, "row": json.dumps(row)}


def score(tool, cases):
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    environment = dict(os.environ, ARGOSY_SECRET=ANSWER)
    run = subprocess.run(
        [tool, WORKERS], input=lines, capture_output=True, text=True, timeout=600, env=environment
    )
    if run.returncode != 0:
        sys.exit("FAIL: code_tool: " + run.stderr)
    return {v["id"]: v for v in map(json.loads, run.stdout.splitlines())}


# --- what may be left ----------------------------------------------------------------------------


def sandboxes():
    """Processes of sandboxes of this test."""
    return processes_with(b"\0--size\0%d\0" % DISK_BYTES)


def processes_with(mark):
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                if mark in file.read():
                    found.append(int(path.split("/")[2]))
        except OSError:
            pass
    return found


def wait_until(what, deadline_s):
    deadline = time.monotonic() + deadline_s
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def files_left():
    """What a sandbox would leave where files are left."""
    owned = set()
    for folder in (tempfile.gettempdir(), "/dev/shm", "/var/tmp", "/"):
        try:
            owned.update(os.path.join(folder, name) for name in os.listdir(folder))
        except OSError:
            pass
    marks = ("argosy-sandbox", "written", "sparse", "bwrap", "newroot", "core")
    return {path for path in owned if os.path.basename(path).startswith(marks)}


def mounts():
    with open("/proc/self/mountinfo") as file:
        return sorted(line.split()[4] for line in file)


# --- controls ------------------------------------------------------------------------------------


def control(program, world):
    """None, or why the program is no attack at all."""
    victim = subprocess.Popen(["sleep", "1000"])
    environment = dict(os.environ, ARGOSY_SECRET=ANSWER)
    try:
        if program.control == "fools":
            with tempfile.TemporaryDirectory() as folder:
                for name, text in (("naive.py", NAIVE), ("test.py", CHECKS[program.kind])):
                    with open(os.path.join(folder, name), "w") as file:
                        file.write(text)
                run = subprocess.run(
                    [PYTHON, os.path.join(folder, "naive.py"), program.path,
                     os.path.join(folder, "test.py")],
                    capture_output=True, text=True, timeout=60, cwd=folder,
                )  # fmt: skip
            return None if run.returncode == 0 else "the simple way is not fooled: " + run.stderr
        run = subprocess.run(
            [PYTHON, program.path], input=world.facts(victim), capture_output=True, text=True,
            timeout=60, env=environment, cwd=tempfile.gettempdir(),
        )  # fmt: skip
        return None if run.stdout == "escaped\n" else "unheld it says %r" % (run.stdout + run.stderr)
    finally:
        victim.kill()
        victim.wait()


def controls(programs, world):
    chosen = [p for p in programs if p.control in ("escapes", "fools")]
    with concurrent.futures.ThreadPoolExecutor(2) as workers:
        for program, fault in zip(chosen, workers.map(lambda p: control(p, world), chosen)):
            if fault is not None:
                yield "%s: %s" % (program.name, fault)
    print("%d programs escape or fool where nothing holds them" % len(chosen))


# --- the whole -----------------------------------------------------------------------------------


def judge(program, verdicts):
    got = verdicts.get(program.name)
    if got is None:
        return "%s: no verdict" % program.name
    if got["outcome"] not in program.expect or not got["is_score"]:
        return "%s: %s (%s), want %s" % (program.name, got["outcome"], got["detail"], program.expect)
    if program.says and not re.search(program.says, got["detail"]):
        return "%s: says %r, want %r" % (program.name, got["detail"], program.says)
    after = verdicts.get("after " + program.name)
    if after is None or after["outcome"] != "passed":
        return "%s: the honest program after it: %s" % (program.name, after)
    return None


def killed_tool(tool):
    """kill -9 of the scorer takes its sandboxes along."""
    row = json.dumps({"inputs": [""], "outputs": [""]})
    case = {"id": "x", "row": row, "limits": dict(LIMITS, wall_s=100)}
    stubborn = "import os, time\nif os.fork() == 0: os.setsid()\ntime.sleep(1000)"
    programs = [dict(case, program="import time\ntime.sleep(1000)"),
                dict(case, program=stubborn, command=[PYTHON, "/box/program"])]  # fmt: skip
    process = subprocess.Popen([tool, "2"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    process.stdin.write("".join(json.dumps(p) + "\n" for p in programs).encode())
    process.stdin.close()
    if not wait_until(lambda: len(sandboxes()) >= 4, 20):
        yield "two sandboxes did not start"
    process.send_signal(signal.SIGKILL)
    process.wait()
    if not wait_until(lambda: not sandboxes(), 5):
        yield "sandboxes outlive their scorer: %s" % sandboxes()


def killed_while_starting(tool, rounds):
    """The same at any moment, with sandboxes being made all the time; the janitor goes too."""
    row = json.dumps({"inputs": [""] * 1000, "outputs": ["x"] * 1000})
    case = {"id": "x", "row": row, "keep_going": 1, "program": "print(1)", "limits": LIMITS}
    lines = (json.dumps(case) + "\n").encode() * 4
    for _ in range(rounds):
        process = subprocess.Popen([tool, "4"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        process.stdin.write(lines)
        process.stdin.close()
        if not wait_until(sandboxes, 20):
            yield "no sandbox started"
        time.sleep(secrets.randbelow(100) / 1000)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if not wait_until(lambda: not sandboxes(), 5):
            yield "sandboxes outlive a scorer killed while it made them: %s" % sandboxes()
        if not wait_until(lambda: not processes_with(b"argosy-%d-" % process.pid), 10):
            yield "the janitor outlives its work"


def main():
    tool, names = sys.argv[1], sys.argv[2:]
    programs = [Program(path) for path in sorted(glob.glob(os.path.join(HERE, "hostile", "*.py")))]
    programs = [p for p in programs if not names or p.name in names]
    world = World()
    faults = list(controls(programs, world))
    world.visitors()
    files_before, mounts_before = files_left(), mounts()
    started = time.monotonic()
    cases = [case for p in programs for case in (case_of(p, world), honest_case(p.name))]
    verdicts = score(tool, cases)
    took_s = time.monotonic() - started
    faults += filter(None, (judge(p, verdicts) for p in programs))
    if not wait_until(lambda: not sandboxes(), 1):
        faults.append("processes are left: %s" % sandboxes())
    if files_left() - files_before:
        faults.append("files are left: %s" % (files_left() - files_before))
    if mounts() != mounts_before:
        faults.append("mounts are left")
    if world.victim.poll() is not None:
        faults.append("the victim is dead")
    if world.visitors() > 0:
        faults.append("somebody was reached over a socket")
    faults += killed_tool(tool)
    faults += killed_while_starting(tool, 50 if os.environ.get("SANDBOX_LONG") else 3)
    world.close()
    print("%d hostile programs held, in %.1f s" % (len(programs) - len(faults), took_s))
    for fault in faults:
        print("FAIL: " + fault)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
