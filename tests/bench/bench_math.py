#!/usr/bin/env python3
"""The math grader beside the math-verify package, on the same rows.

Rows are made here from the golden answers of MATH-500 and MATH's training set:
each against itself, against rewritten forms of itself (another way to write the
same) and against near misses (one digit, sign, bracket or order changed), and
the pairs of tests/golden/math_cases.jsonl.  Prints the accuracy of both by kind
of row, then verdicts a second, alternating.  --show N prints N rows of each kind
that either gets wrong.  Skips, loudly, without the data or the package.
"""
import argparse
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("ARGOSY_DATA", ROOT.parent / "shared/data"))
BENCH = ROOT / os.environ.get("B", "build/release") / "tests/bench/bench_math"
FRACTION = re.compile(r"\\[dt]?frac\{(-?\d+)\}\{(\d+)\}")


def golds():
    for name in ("math500/math500.jsonl", "math_train/math_train.jsonl"):
        for line in (DATA / name).read_text().splitlines():
            answer = json.loads(line)["answer"]
            if answer and answer.strip():
                yield answer.strip()


def rewrites(gold):
    """The same answer, written otherwise."""
    yield "spaces", re.sub(r"(?<![\\a-zA-Z])([-+,=])", r" \1 ", gold) if not re.search(r"\d,\d|\\!|\\text|\\mbox|e-", gold) else gold
    yield "left right", gold.replace("(", r"\left(").replace(")", r"\right)") if "left" not in gold and r"\text" not in gold else gold
    yield "dfrac", re.sub(r"\\[dt]?frac", r"\\dfrac", gold)
    yield "dollars", f"${gold}$" if "$" not in gold else gold
    yield "braces", "{" + gold + "}"
    if FRACTION.fullmatch(gold):
        over, under = map(int, FRACTION.fullmatch(gold).groups())
        yield "slash", f"{over}/{under}"
        yield "expanded", f"\\frac{{{3 * over}}}{{{3 * under}}}"
        if over > under > 1:
            yield "mixed", f"{over // under}\\frac{{{over % under}}}{{{under}}}"
        rest = under
        for prime in (2, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            yield "decimal", repr(over / under)
    if re.fullmatch(r"-?\d+", gold):
        yield "point zero", gold + ".0"
        yield "unit", gold + r"\text{ cm}"
        yield "assignment", f"x = {gold}"
        if len(gold.lstrip("-")) > 3:
            yield "thousands", f"{int(gold):,}"
    if gold.startswith("\\sqrt") or re.fullmatch(r"\d+\\sqrt\{\d+\}", gold):
        match = re.fullmatch(r"(\d*)\s*\\sqrt\{(\d+)\}", gold)
        if match:
            yield "under the root", f"\\sqrt{{{int(match.group(1) or 1) ** 2 * int(match.group(2))}}}"
    parts = gold.split(", ")
    if len(parts) > 1 and not re.search(r"[()\[\]\\]", gold):
        yield "reordered", ", ".join(reversed(parts))
        yield "as a set", r"\{" + gold + r"\}"
    if r"\cup" in gold:
        yield "reordered", r" \cup ".join(reversed(gold.split(r"\cup")))
    if "^\\circ" in gold:
        yield "no degrees", gold.replace("^\\circ", "").strip()
    if "pmatrix" in gold:
        yield "bmatrix", gold.replace("pmatrix", "bmatrix")


def misses(gold, rng):
    """Another answer that looks like it."""
    numbers = [m.start() for m in re.finditer(r"(?<![_\d])\d", gold) if not gold[: m.start()].endswith("_{")]
    if numbers and r"\text{(" not in gold:
        at = rng.choice(numbers)
        yield "digit", gold[:at] + str((int(gold[at]) + rng.randrange(1, 9)) % 9 + 1 if gold[at] != "9" else 8) + gold[at + 1 :]
    if re.search(r"\d", gold) and not re.search(r"[,=+]|\\pm|text|^-?0|\\cup", gold):
        yield "sign", gold[1:] if gold.startswith("-") else "-" + gold
    if re.fullmatch(r"\[.*[)\]]", gold):
        yield "bracket", "(" + gold[1:]
    pair = re.fullmatch(r"\((-?\d+),\s*(-?\d+)\)", gold)
    if pair and pair.group(1) != pair.group(2):
        yield "order", f"({pair.group(2)},{pair.group(1)})"
    if FRACTION.fullmatch(gold):
        over, under = FRACTION.fullmatch(gold).groups()
        if over.lstrip("-") != under and over != "0":
            yield "upside down", f"\\frac{{{under}}}{{{over}}}" if int(over) > 0 else f"-\\frac{{{under}}}{{{over[1:]}}}"
    if re.fullmatch(r"-?\d{2,}", gold):
        yield "ten times", gold + "0"
        yield "one more", str(int(gold) + 1)
    if r"\sqrt{" in gold:
        yield "root lost", gold.replace(r"\sqrt{", "{", 1)
    if r"\pi" in gold:
        yield "pi lost", gold.replace(r"\pi", "1", 1) if gold.strip() != r"\pi" else "1"


def make_rows(limit):
    rng = random.Random(7)
    rows = []
    every = list(golds())
    hard = [g for g in every if not re.fullmatch(r"-?\d+", g)]
    plain = [g for g in every if re.fullmatch(r"-?\d+", g)]
    rng.shuffle(plain)
    rng.shuffle(hard)
    picked = hard[:limit] + plain[: limit // 4] if limit else every
    for gold in picked:
        rows.append(("itself", "itself", gold, gold, True))
        for how, text in rewrites(gold):
            if text != gold:
                rows.append(("rewritten", how, gold, text, True))
        for how, text in misses(gold, rng):
            if text != gold:
                rows.append(("near miss", how, gold, text, False))
    for line in (ROOT / "tests/golden/math_cases.jsonl").read_text().splitlines():
        case = json.loads(line)
        rows.append(("hand case", case["kind"], case["gold"], case["pred"], bool(case["same"])))
    return rows


def run_argosy(rows, verdicts=True):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        for row in rows:
            file.write(json.dumps({"gold": row[2], "pred": row[3]}) + "\n")
        file.flush()
        command = [str(BENCH), file.name] + (["--verdicts"] if verdicts else [])
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if not verdicts:
        return float(out.splitlines()[1].split(",")[2])
    return [line.startswith("1") for line in out.splitlines()]


def run_math_verify(rows):
    """As its README says: the answer is boxed, the reference in dollars."""
    from math_verify import parse, verify

    def judge(gold, pred):
        try:
            return bool(verify(parse("\\boxed{" + gold + "}", parsing_timeout=5), parse("\\boxed{" + pred + "}", parsing_timeout=5), timeout_seconds=5))
        except Exception:  # noqa: BLE001 - whatever it throws is no verdict
            return False

    start = time.monotonic()
    verdicts = [judge(row[2], row[3]) for row in rows]
    return verdicts, len(rows) / (time.monotonic() - start)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--limit", type=int, default=150, help="golds that are no integers; 0: all of all")
    options.add_argument("--show", type=int, default=0, help="rows to print of each kind that one gets wrong")
    options.add_argument("--no-math-verify", action="store_true")
    options = options.parse_args()
    if not (DATA / "math500/math500.jsonl").is_file():
        print(f"bench_math.py: SKIPPED: no {DATA}/math500/math500.jsonl", file=sys.stderr)
        return
    try:
        import math_verify  # noqa: F401
    except ImportError:
        print("bench_math.py: SKIPPED math-verify: pip install math-verify", file=sys.stderr)
        options.no_math_verify = True
    rows = make_rows(options.limit)
    ours = run_argosy(rows)
    theirs, speed = ([None] * len(rows), 0) if options.no_math_verify else run_math_verify(rows)
    print("kind,how,rows,argosy_right,math_verify_right")
    groups = {}
    for index, row in enumerate(rows):
        groups.setdefault(row[0] if row[0] == "hand case" else (row[0], row[1]), []).append(index)
    for group, members in groups.items():
        kind, how = (group, "") if isinstance(group, str) else group
        right = [sum(v[i] == rows[i][4] for i in members) if v[0] is not None else "" for v in (ours, theirs)]
        print(f"{kind},{how},{len(members)},{right[0]},{right[1]}")
        for name, verdicts in (("argosy", ours), ("math-verify", theirs)):
            wrong = [i for i in members if verdicts[i] is not None and verdicts[i] != rows[i][4]]
            for i in wrong[: options.show]:
                print(f"    {name} says {verdicts[i]}: gold {rows[i][2]!r} pred {rows[i][3]!r}")
    if not options.no_math_verify:
        sample = random.Random(1).sample(rows, min(500, len(rows)))
        speeds = [(run_argosy(sample * 20, False), run_math_verify(sample)[1]) for _ in range(3)]
        ratios = sorted(a / b for a, b in speeds)
        print("argosy_verdicts_per_s,math_verify_verdicts_per_s,median_ratio")
        print(f"{sorted(a for a, _ in speeds)[1]:.0f},{sorted(b for _, b in speeds)[1]:.0f},{ratios[1]:.0f}")


if __name__ == "__main__":
    main()
