#!/usr/bin/env python3
"""Makes tests/golden/graders.jsonl: what reasoning-gym thinks of right and wrong answers.

For a few problems of each task that is graded here: the reference, the part of the
metadata that grading needs, answers of several kinds, and the score reasoning-gym gives
each.  Needs reasoning-gym.
"""
import json
import pathlib

import reasoning_gym

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/golden/graders.jsonl"
GRADERS = {
    "chain_sum": ("number", []),
    "basic_arithmetic": ("number", []),
    "simple_equations": ("number", []),
    "gcd": ("number", []),
    "prime_factorization": ("prime_factorization", []),
    "countdown": ("countdown", ["numbers", "target"]),
    "knights_knaves": ("knights_knaves", ["names", "solution", "knight_knave_terms"]),
}


def of_number(answer, metadata):
    yield str(int(answer) + 1)
    yield str(-int(answer) - 1)


def of_chain_sum(answer, metadata):
    yield from of_number(answer, metadata)
    yield answer + ".00"
    if int(answer) >= 0:
        yield "+" + answer
    if int(answer) >= 1000:
        yield f"{int(answer):,}"


def of_prime_factorization(answer, metadata):
    factors = metadata["factors"]
    yield "×".join(map(str, reversed(factors)))
    yield str(metadata["number"])
    yield " × ".join(map(str, factors + [2]))


def of_countdown(answer, metadata):
    yield f"({answer})"
    yield str(metadata["target"])
    yield answer + " + 1"
    yield answer.replace("+", "-", 1)
    yield " + ".join(map(str, metadata["numbers"]))
    yield answer + ")"


def of_knights_knaves(answer, metadata):
    terms = metadata["knight_knave_terms"]

    def told(turned):
        return [
            f"{name} is {terms['a_knight' if is_knight != (i in turned) else 'a_knave']}"
            for i, (name, is_knight) in enumerate(zip(metadata["names"], metadata["solution"]))
        ]

    yield "\n".join(f"({i + 1}) {line}" for i, line in enumerate(told([])))
    yield ", ".join(reversed(told([])))
    yield " and ".join(told([0]))
    yield " and ".join(told([0, 1]))
    yield ". ".join(told(range(len(metadata["names"]))))
    yield ", ".join(told([])[1:])


def main():
    lines = []
    for name, (grader, kept) in GRADERS.items():
        options = {"n_people": 3} if name == "knights_knaves" else {}
        data = reasoning_gym.create_dataset(name, seed=11, size=8, **options)
        answers_of = globals().get(f"of_{name}", of_number)
        for row in data:
            answers = [row["answer"], *answers_of(row["answer"], row["metadata"])]
            lines.append({
                "grader": grader,
                "gold": row["answer"],
                "metadata": {key: row["metadata"][key] for key in kept},
                "answers": [[answer, round(data.score_answer(answer, row), 4)] for answer in answers],
            })  # fmt: skip
    OUT.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


if __name__ == "__main__":
    main()
