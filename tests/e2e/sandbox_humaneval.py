"""Scores HumanEval's and MBPP's own solutions, and wrong variants of them.

Each solution must score 1.  Variants of each HumanEval solution:

    none     the function's result is None
    nearly   its result is changed a little: a number by one, a text by a letter
    mutant   one operator or number of its text is another; is it really wrong?
             An interpreter without a sandbox says, with the same tests, and the
             verdict must be the same

The first two are wrong by construction, unless the tests do not look at the
result; where the interpreter without a sandbox passes one as well, it is listed.

Without "all" each problem has its own solution and one wrong variant.

    sandbox_humaneval.py CODE_TOOL DATA [all]
"""

import ast
import concurrent.futures
import gzip
import json
import os
import subprocess
import sys
import time

PYTHON = "/usr/bin/python3"
NEARLY = """

def _nearly(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float, complex)):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, (list, tuple)):
        return type(value)([*value, 0])
    if isinstance(value, dict):
        return {**value, "x": 0}
    return 0 if value is None else None


_right = %s


def %s(*arguments, **keywords):
    return _nearly(_right(*arguments, **keywords))
"""
NONE = """

def %s(*arguments, **keywords):
    return None
"""
OTHER = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Mod: ast.FloorDiv,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.And: ast.Or, ast.Or: ast.And, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip


class Mutation(ast.NodeTransformer):
    """Changes the n-th place of a function that can be changed.

    Not of others: the judge takes a prompt's helper functions from the prompt,
    which one interpreter for all would not.
    """

    def __init__(self, n, function):
        self.left = n
        self.function = function

    def visit_Module(self, node):
        node.body = [
            super(Mutation, self).generic_visit(child)
            if getattr(child, "name", "") == self.function
            else child
            for child in node.body
        ]
        return node

    def is_here(self):
        self.left -= 1
        return self.left == -1

    def generic_visit(self, node):
        super().generic_visit(node)
        for field in ("op", "ops"):
            value = getattr(node, field, None)
            first = value[0] if isinstance(value, list) else value
            if type(first) in OTHER and self.is_here():
                other = OTHER[type(first)]()
                setattr(node, field, [other, *value[1:]] if isinstance(value, list) else other)
        return node

    def visit_Constant(self, node):
        if type(node.value) is int and self.is_here():
            return ast.Constant(node.value + 1)
        return node


def mutants(row):
    """Programs, each with one place changed, spread over the places."""
    source = row["prompt"] + row["canonical_solution"]
    counter = Mutation(1 << 30, row["entry_point"])
    counter.visit(ast.parse(source))
    n_places = (1 << 30) - counter.left
    for n in sorted({n_places * i // 3 for i in range(3)}) if n_places else []:
        tree = ast.parse(source)
        Mutation(n, row["entry_point"]).visit(tree)
        yield n, ast.unparse(tree)


def plain_verdict(row, program):
    """What one interpreter says that has the program and its tests; the program is ours."""
    source = "%s\n%s\ncheck(%s)\n" % (program, row["test"], row["entry_point"])
    try:
        run = subprocess.run(
            [PYTHON, "-c", source], capture_output=True, timeout=10, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return False
    return run.returncode == 0


def score(tool, cases):
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    started = time.monotonic()
    run = subprocess.run([tool, "2"], input=lines, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit("FAIL: code_tool: " + run.stderr)
    took_s = time.monotonic() - started
    print("%d programs in %.1f s, %.0f a second" % (len(cases), took_s, len(cases) / took_s))
    return {v["id"]: v for v in map(json.loads, run.stdout.splitlines())}


def fenced(code):
    return "Let us see.\n```python\n" + code + "\n```\n"


def variant_text(row, kind):
    right, entry = row["prompt"] + row["canonical_solution"], row["entry_point"]
    return {
        "right": right,
        "whole": right,
        "none": right + NONE % entry,
        "nearly": right + NEARLY % (entry, entry),
    }[kind]


def response_with(row, kind):
    if kind == "right":  # a completion of the prompt
        return fenced(row["canonical_solution"])
    return "<think>so</think>" + fenced(variant_text(row, kind))


def kinds_of(n, is_all):
    return ("right", "whole", "none", "nearly") if is_all else ("right", ("none", "nearly")[n % 2])


def check_humaneval(tool, rows, is_all):
    wanted = [(name, k) for n, name in enumerate(rows) for k in kinds_of(n, is_all)]
    cases = [
        {
            "id": "%s %s" % (name, kind),
            "row": rows[name][0],
            "response": response_with(rows[name][1], kind),
            "limits": {"cpu_s": 3},
        }
        for name, kind in wanted
    ]
    verdicts = score(tool, cases)
    counts = {kind: [0, 0] for _, kind in wanted}
    for name, kind in wanted:
        verdict = verdicts["%s %s" % (name, kind)]
        passed = verdict["outcome"] == "passed"
        counts[kind][0] += passed
        counts[kind][1] += 1
        if verdict["is_score"] and passed == (kind in ("right", "whole")):
            continue
        row = rows[name][1]
        if passed and plain_verdict(row, variant_text(row, kind)):
            print("%s %s is equivalent: its tests accept it" % (name, kind))
        else:
            yield "%s %s: %s %s" % (name, kind, verdict["outcome"], verdict["detail"])
    told = ", ".join("%s %d of %d" % (kind, *count) for kind, count in counts.items())
    print("HumanEval passed: " + told)


def check_mutants(tool, rows):
    programs = [
        ("%s mutant %d" % (name, n), row, line, program)
        for name, (line, row) in rows.items()
        for n, program in mutants(row)
    ]
    cases = [
        {"id": name, "response": fenced(program), "row": line, "limits": {"cpu_s": 3}}
        for name, _, line, program in programs
    ]
    verdicts = score(tool, cases)
    with concurrent.futures.ThreadPoolExecutor(2) as workers:
        plain = list(workers.map(lambda p: plain_verdict(p[1], p[3]), programs))
    wrong = {name.split()[0] for (name, *_), is_right in zip(programs, plain) if not is_right}
    equivalent = [name for (name, *_), is_right in zip(programs, plain) if is_right]
    print("mutants: %d, wrong %d, of %d problems" % (len(plain), plain.count(False), len(wrong)))
    print("accepted by their tests: " + ", ".join(equivalent))
    for (name, *_), is_right in zip(programs, plain):
        verdict = verdicts[name]
        if not verdict["is_score"] or (verdict["outcome"] == "passed") != is_right:
            yield "%s: %s %s, unheld %s" % (name, verdict["outcome"], verdict["detail"], is_right)


def check_mbpp(tool, path):
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    cases = [
        {"id": str(row["task_id"]), "response": fenced(row["code"]), "row": line}
        for line, row in ((line, json.loads(line)) for line in lines)
    ]
    verdicts = score(tool, cases)
    passed = sum(v["outcome"] == "passed" for v in verdicts.values())
    print("MBPP: %d of %d pass" % (passed, len(cases)))
    for name, verdict in verdicts.items():
        if verdict["outcome"] != "passed":
            yield "MBPP %s: %s %s" % (name, verdict["outcome"], verdict["detail"])


def main():
    tool, data, *more = sys.argv[1:]
    with gzip.open(os.path.join(data, "humaneval", "HumanEval.jsonl.gz"), "rt") as file:
        rows = {row["task_id"]: (line, row) for line, row in ((x, json.loads(x)) for x in file)}
    faults = list(check_humaneval(tool, rows, "all" in more))
    if "all" in more:
        faults += check_mutants(tool, rows)
        faults += check_mbpp(tool, os.path.join(data, "mbpp", "mbpp.jsonl"))
    for fault in faults:
        print("FAIL: " + fault)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
