"""The tests' side of judged calls: calls the program elsewhere, compares here.

Runs in a sandbox of its own that holds the tests and what they expect.  The
program is in another one; all that connects them is a pair of pipes with lines
of data (literals.py), so it can neither see a test nor touch a comparison.  A
call's arguments are copies: what the program does to them stays there.

Standard input has what to do (code_tests.c writes it); standard output gets one
line before the tests begin and one that is the verdict.
"""

import builtins
import posix
import sys

import entry
import literals

entry.enter(sys.argv[1], sys.argv[2])
requests = open(4, "wb")
answers = open(3, "rb")
verdict_fd = posix.dup(1)
sys.stdout = open("/dev/null", "w")

# What a test may catch.  No others: StopIteration, for one, would end a loop of
# the test quietly, before it has seen all it wants to.
RAISED = {
    name: getattr(builtins, name)
    for name in (
        "ArithmeticError", "AttributeError", "EOFError", "IndexError", "KeyError", "LookupError",
        "MemoryError", "NameError", "NotImplementedError", "OSError", "OverflowError",
        "RecursionError", "RuntimeError", "TypeError", "UnicodeError", "ValueError",
        "ZeroDivisionError",
    )
}  # fmt: skip


ONLY_AST = 0x400  # of compile()
MODULES = getattr(sys, "stdlib_module_names", sys.builtin_module_names)


class ProgramError(Exception):
    """Something the program raised that has no counterpart here."""


class BadTests(BaseException):
    """The data is at fault, not the program."""


state = {"n_passed": 0, "n_tests": 0, "n_calls": 0, "memory": False}


def say(outcome, detail):
    line = '{"outcome":%s,"n_passed":%d,"n_tests":%d,"detail":%s}\n' % (
        literals.quote(outcome),
        state["n_passed"],
        state["n_tests"],
        literals.quote(detail[:300]),
    )
    posix.write(verdict_fd, line.encode("ascii"))


def finish(outcome, detail=""):
    """The verdict is final: no handler of a test can catch what ends the process."""
    say(outcome, detail)
    posix._exit(0)


# --- calls ---------------------------------------------------------------------------------------


def hear():
    """The next line from the program, or the end of everything."""
    line = answers.readline(literals.LINE_MAX + 2)
    if not line.endswith(b"\n"):
        finish("ended", "the program ended before it answered" if not line else "an endless answer")
    try:
        reply = literals.parse(line.decode("ascii"))
        if reply[0] == "value":
            return "value", literals.decode(reply[1], remote_object)
        return str(reply[0]), [str(text) for text in reply[1:]]
    except Exception as error:
        finish("wrong", "an answer that cannot be read: %s" % type(error).__name__)


def ask(kind, *texts):
    state["n_calls"] += 1
    try:
        requests.write(('["%s",%s]\n' % (kind, ",".join(texts))).encode("ascii"))
        requests.flush()
    except OSError:
        finish("ended", "the program ended before it was asked")
    kind, value = hear()
    if kind == "value":
        return value
    name, text = (value + ["", ""])[:2]
    if name == "MemoryError":
        state["memory"] = True
    raise RAISED.get(name, ProgramError)("%s: %s" % (name, text[:200]))


def sendable(value):
    try:
        # Whatever came from the program can be sent back, in some more brackets
        # too: its answers must not look like a fault of the tests.
        return literals.encode(value, known, -literals.DEPTH_MAX)
    except (literals.NotData, RecursionError) as error:
        raise BadTests("an argument that cannot be sent: %s" % error) from None


def known(value):
    if isinstance(value, Remote):
        target = object.__getattribute__(value, "_target")
        if isinstance(target, int):
            return '{"o":%d}' % target
    raise literals.NotData("a value of type " + type(value).__name__)


class Remote:
    """Something of the program's: a global by its name, or an object by its number."""

    __slots__ = ("_target",)

    def __init__(self, target):
        object.__setattr__(self, "_target", target)

    def _where(self):
        target = object.__getattribute__(self, "_target")
        return str(int(target)) if isinstance(target, int) else literals.quote(target)

    def __call__(self, *arguments, **keywords):
        where = object.__getattribute__(self, "_where")()
        return ask("call", where, sendable(list(arguments)), sendable(keywords))

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return ask("get", object.__getattribute__(self, "_where")(), literals.quote(name))

    def __setattr__(self, name, value):
        where = object.__getattribute__(self, "_where")()
        ask("set", where, literals.quote(name), sendable(value))


def remote_object(number):
    if type(number) is not int or number < 0:
        raise ValueError("no such object")
    return Remote(number)


# --- tests as Python -----------------------------------------------------------------------------


def nodes_of(source):
    """The syntax tree as a list; the ast module would take longer to import than this."""
    nodes = [compile(source, "tests", "exec", ONLY_AST)]
    for node in nodes:
        for field in node._fields:
            value = getattr(node, field, None)
            items = value if isinstance(value, list) else [value]
            nodes += [item for item in items if hasattr(item, "_fields")]
    return nodes


def free_names(source):
    """Names that the code reads and never gives a value, in the order of their places."""
    read, given = [], set()
    for node in nodes_of(source):
        kind = type(node).__name__
        if kind == "Name" and type(node.ctx).__name__ == "Load":
            read.append((node.lineno, node.col_offset, node.id))
        elif kind == "alias":
            given.add((node.asname or node.name).split(".")[0])
        else:
            given.update(getattr(node, field, None) for field in ("id", "name", "arg"))
    return list(dict.fromkeys(name for _, _, name in sorted(read) if name not in given))


def called_names(source):
    """Names that the code calls as they are: functions, whatever else has that name."""
    calls = [node.func for node in nodes_of(source) if type(node).__name__ == "Call"]
    return {node.id for node in calls if type(node).__name__ == "Name"}


def bind(scope, source, spec):
    """Gives the names that the tests use and nobody here defines a meaning.

    A module of the standard library is the judge's own: what the tests take
    from it may be part of what they expect.  The rest is the program's; of a
    check() that is only the function it is for.
    """
    entry_point = spec["entry_point"]
    if entry_point:
        scope[entry_point] = Remote(entry_point)
    free = [name for name in free_names(source) if name not in scope]
    strangers = [name for name in free if not hasattr(builtins, name)]
    called = called_names(source)
    for name in strangers:
        if name in MODULES and name not in called:
            scope[name] = __import__(name)
        elif spec["kind"] == "asserts":
            scope[name] = Remote(name)
    if not entry_point and not strangers:
        for name in free[:1]:  # the program's function has the name of a built-in one
            scope[name] = Remote(name)


def seed(source):
    if "random" in source:
        import random

        random.seed(0)  # a verdict is the same each time it is asked for


def prepared(spec, row):
    """The tests' globals."""
    scope = {"__name__": "tests"}
    prompt = row.get("prompt")
    if isinstance(prompt, str) and spec["entry_point"]:
        try:  # its helper functions; the one that is asked for is a stub there
            exec(compile(prompt, "prompt", "exec"), scope)
        except SyntaxError:
            pass
    return scope


def tests_of(spec, row):
    """(what is run first, the tests)."""
    setup = row.get("test_setup_code") or ""
    imports = row.get("test_imports") or []
    first = "\n".join([*imports, setup]) if isinstance(imports, list) else setup
    if spec["kind"] == "check":
        first = first + "\n" + row["test"]
        return first, ["check(%s)" % spec["entry_point"]]
    tests = row.get("test_list") or row.get("tests") or row.get("test")
    tests = list(tests) if isinstance(tests, list) else [tests]
    more = row.get("challenge_test_list")
    return first, tests + (more if isinstance(more, list) else [])


def run_code(spec, row):
    scope = prepared(spec, row)
    first, tests = tests_of(spec, row)
    whole = "\n".join([first, *tests])
    bind(scope, whole, spec)
    seed(whole)
    compiled = [compile(test, "test", "exec") for test in tests]
    state["n_tests"] = len(tests)
    begin()
    exec(compile(first, "setup", "exec"), scope)
    if spec["kind"] == "check" and "check" not in scope:
        raise BadTests("the test defines no check()")
    for text, code in zip(tests, compiled):
        yield text, lambda: exec(code, scope)


# --- tests as arguments and results --------------------------------------------------------------


def plain(value):
    """As JSON would have it: what results are compared as."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return value


def equal(got, want):
    if isinstance(got, bool) != isinstance(want, bool):
        return False
    if isinstance(got, float) or isinstance(want, float):
        if not isinstance(got, (int, float)) or not isinstance(want, (int, float)):
            return False
        return got == want or abs(got - want) <= 1e-6 * max(1.0, abs(want))
    if isinstance(got, list) and isinstance(want, list):
        return len(got) == len(want) and all(map(equal, got, want))
    if isinstance(got, dict) and isinstance(want, dict):
        return got.keys() == want.keys() and all(equal(got[key], want[key]) for key in want)
    return type(got) is type(want) and got == want


def arguments_of(case):
    """A list of arguments, or a text with one JSON value a line."""
    if isinstance(case, str):
        return [literals.parse(line) for line in case.splitlines() if line.strip()]
    return list(case) if isinstance(case, list) else [case]


def expected_of(case):
    if isinstance(case, str):
        try:
            return literals.parse(case)
        except ValueError:
            return case
    return case


def check_case(function, arguments, want):
    got = plain(function(*arguments))
    # Some files wrap each result in a list of one.
    wrapped = isinstance(want, list) and len(want) == 1 and equal(got, want[0])
    if not equal(got, want) and not wrapped:
        raise AssertionError


def run_cases(spec, cases):
    if isinstance(cases, list):
        cases = {
            "inputs": [case["input"] for case in cases],
            "outputs": [case["output"] for case in cases],
        }
    inputs = [arguments_of(case) for case in cases["inputs"]]
    outputs = [expected_of(case) for case in cases["outputs"]]
    function = Remote(spec["entry_point"])
    state["n_tests"] = len(inputs)
    begin()
    for number, (arguments, want) in enumerate(zip(inputs, outputs)):
        yield "case %d" % number, lambda: check_case(function, arguments, want)


# --- the whole -----------------------------------------------------------------------------------


def begin():
    """All that is ours is ready; whatever happens from here on is the program's doing."""
    say("begun", "")
    kind, texts = hear()
    if kind == "ready":
        return
    if kind not in ("uncompiled", "unloaded"):
        finish("wrong", "an answer before there was a question")
    outcome = "uncompiled" if kind == "uncompiled" else "raised"
    finish("memory" if texts[:1] == ["MemoryError"] else outcome, ": ".join(texts))


def run_one(text, test):
    """None, or the outcome and what to say of it."""
    try:
        test()
    except AssertionError:
        return "wrong", text
    except BadTests:
        raise
    except ProgramError as error:
        return "raised", "%s (%s)" % (error, text)
    except BaseException as error:
        if state["n_calls"] == 0:  # not a line of the program's was in it
            raise BadTests("%s: %s" % (type(error).__name__, error)) from None
        kind = "memory" if state["memory"] else "raised"
        return kind, "%s: %s (%s)" % (type(error).__name__, error, text)
    return None


def main():
    with open(0, "rb") as file:
        spec = literals.parse(file.read().decode("utf-8"))
    found = spec["row"]
    for key in spec["path"]:
        found = found[key]
        if isinstance(found, str):
            found = literals.parse(found)
    run = run_cases if spec["kind"] == "calls" else run_code
    failure = None
    for text, test in run(spec, found):
        failed = run_one(text, test)
        if failed is None:
            state["n_passed"] += 1
            if spec["keep_going"]:
                say("begun", "")  # counts even if the next one never ends
        else:
            failure = failure or failed
            if not spec["keep_going"]:
                break
    finish(*(failure or ("passed", "")))


try:
    main()
except BaseException as error:
    # Before the first call it cannot be the program's fault, unless it never answered.
    finish("bad_tests" if state["n_calls"] == 0 or isinstance(error, BadTests) else "raised",
           "%s: %s" % (type(error).__name__, error))
