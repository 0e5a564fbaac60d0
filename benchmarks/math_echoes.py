r"""For how many problems is an expression of the statement a right answer?

    python benchmarks/math_echoes.py --path math500.jsonl

Every formula of a statement, its sides, and every typed sum is given as a reply, ``\boxed{…}``, and
judged by the math verifier twice: with the problem's statement, which it then refuses to take as an
answer, and without it. Prints the number of problems with a right one, and names those that have
one with the rule.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from selfcorrect_env.problems.math import load_math500
from selfcorrect_env.verifiers.math import MathVerifier
from selfcorrect_env.verifiers.math.echoes import expressions


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which problems."""

    path: Path
    """A file of MATH-500."""


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    problems = load_math500(path=options.path)
    cases = [
        (problem, rf"\boxed{{{expression}}}")
        for problem in problems
        for expression in expressions(problem.prompt)
    ]
    replies = [reply for _, reply in cases]
    right: dict[str, set[str]] = {}
    verifier = MathVerifier(workers=1, deadline=20.0)
    for rule, judged in (
        ("with", [problem for problem, _ in cases]),
        ("without", [replace(problem, prompt="") for problem, _ in cases]),
    ):
        verdicts = verifier.verify_batch(judged, replies)
        right[rule] = {p.id for p, v in zip(judged, verdicts, strict=True) if v.correct}
    verifier.close()
    print("| the rule | problems with a right expression |")
    print("| --- | ---: |")
    for rule, found in right.items():
        print(f"| {rule} | {len(found)} of {len(problems)} |")
    print(f"\n{len(cases):,} expressions; with the rule: {', '.join(sorted(right['with']))}")


if __name__ == "__main__":
    main()
