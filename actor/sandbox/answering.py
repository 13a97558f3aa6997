"""The program's side of judged calls: runs it once, then answers.

Requests come on descriptor 3, answers leave on 4, one line each.  This runs
beside the program, in its interpreter and at its mercy; nothing here is relied
on.  What the program can forge is what it may say anyway: its answers.

    ["call", target, arguments, keyword arguments]
    ["get", target, attribute]     ["set", target, attribute, value]

A target is a global name of the program, or the number of an object that an
earlier answer could not put into data.
"""

import builtins
import sys

import entry
import literals

requests = open(3, "rb")
answers = open(4, "wb")
objects = []


def reference(value):
    objects.append(value)
    return '{"o":%d}' % (len(objects) - 1)


def answer(kind, *texts):
    line = '["%s"%s]\n' % (kind, "".join("," + text for text in texts))
    if len(line) > literals.LINE_MAX:
        line = '["raised","OverflowError","an answer of %d bytes"]\n' % len(line)
    answers.write(line.encode("ascii"))
    answers.flush()


def say_error(kind, error):
    try:
        text = str(error)[:500]
    except BaseException:
        text = ""
    answer(kind, literals.quote(type(error).__name__), literals.quote(text))


def target_of(spec, scope):
    if isinstance(spec, int):
        return objects[spec]
    if spec in scope:
        return scope[spec]
    # A class that holds the function, as some judges want it.
    solution = scope.get("Solution")
    if isinstance(solution, type) and hasattr(solution, spec):
        return getattr(solution(), spec)
    raise NameError("name %r is not defined" % spec)


def perform(line, scope):
    request = literals.parse(line.decode("ascii"))
    target = target_of(request[1], scope)
    if request[0] == "call":
        arguments = literals.decode(request[2], objects.__getitem__)
        keywords = literals.decode(request[3], objects.__getitem__)
        return target(*arguments, **keywords)
    if request[0] == "get":
        return getattr(target, request[2])
    return setattr(target, request[2], literals.decode(request[3], objects.__getitem__))


def load():
    """The program's globals, or None after saying why there are none."""
    with open("/box/program", "rb") as file:
        source = file.read()
    try:
        code = compile(source, "/box/program", "exec")
    except BaseException as error:
        return say_error("uncompiled", error)
    module = type(sys)("solution")
    sys.modules["solution"] = module
    try:
        exec(code, module.__dict__)
    except BaseException as error:
        return say_error("unloaded", error)
    return module.__dict__


def main():
    entry.enter(sys.argv[1], sys.argv[2])
    builtins.exit = builtins.quit = sys.exit
    scope = load()
    if scope is None:
        return
    answer("ready")
    for line in iter(requests.readline, b""):
        try:
            text = literals.encode(perform(line, scope), reference)
        except BaseException as error:
            say_error("raised", error)
        else:
            answer("value", text)


main()
