"""Run our math verifier and math-verify on replies with an expected verdict, class by class.

    python benchmarks/reward_cases.py cases.jsonl more_cases.jsonl
    python benchmarks/reward_cases.py cases.jsonl --column before=before.json
    python benchmarks/reward_cases.py cases.jsonl --save before.json

A file has one JSON object a line: ``{"class": "units", "reference": "5", "reply": "\\\\boxed{5}",
"expected": 1}``. Rows whose ``expected`` is null are left out. The script prints for each class how
many wrong replies each verifier accepts (false passes) and how many right ones it refuses (false
fails), and then each reply that ours judges against its label. ``--save`` writes our verdicts;
``--column NAME=FILE`` prints saved verdicts, those of another commit for example, beside them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify

from selfcorrect_env import Problem
from selfcorrect_env.verifiers.math import MathVerifier

CONFIG = (LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig())


@dataclass(frozen=True)
class Case:
    """A reply with its expected verdict."""

    kind: str
    reference: str
    reply: str
    expected: bool


def main() -> None:
    """Judge all cases and print the tables."""
    description = __doc__ or ""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", help="files of cases")
    parser.add_argument("--column", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("--save", help="write our verdicts to this file")
    options = parser.parse_args()
    cases = [case for path in options.files for case in read_cases(path)]
    columns = {}
    for entry in options.column:
        name, _, path = entry.partition("=")
        columns[name] = saved(path, cases)
    verifier = MathVerifier(workers=1, deadline=5.0)
    columns["ours"] = [by_us(verifier, case) for case in cases]
    verifier.close()
    columns["math-verify"] = [by_them(case) for case in cases]
    if options.save:
        Path(options.save).write_text(json.dumps(columns["ours"]), encoding="utf-8")
    print_table(cases, columns)
    for case, verdict in zip(cases, columns["ours"], strict=True):
        if verdict != case.expected:
            said = "refused" if case.expected else "accepted"
            print(f"{said} ({case.kind}): {case.reply[-100:]!r} for {case.reference[-100:]!r}")


def read_cases(path: str) -> list[Case]:
    """Read a file; raise ValueError with the line number of an invalid row."""
    cases = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            kind, expected = row["class"], row["expected"]
            case = Case(kind or "right before", row["reference"], row["reply"], bool(expected))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}, line {number} is not a case ({error!r}).") from error
        if expected is not None:
            cases.append(case)
    return cases


def saved(path: str, cases: list[Case]) -> list[bool]:
    """Read the verdicts that ``--save`` wrote for the same cases."""
    verdicts = json.loads(Path(path).read_text(encoding="utf-8"))
    if len(verdicts) != len(cases):
        raise ValueError(f"{path} has {len(verdicts)} verdicts for {len(cases)} cases.")
    return verdicts


def by_us(verifier: MathVerifier, case: Case) -> bool:
    """Return whether our verifier accepts the reply."""
    return verifier.verify(Problem(id="", prompt="", reference=case.reference), case.reply).correct


def by_them(case: Case) -> bool:
    """Return whether math-verify, called as in its README, accepts the reply."""
    marked = any(mark in case.reference for mark in ("$", r"\boxed", r"\["))
    gold = case.reference if marked else f"${case.reference}$"
    return verify(parse(gold, CONFIG), parse(case.reply, CONFIG))


def print_table(cases: list[Case], columns: dict[str, list[bool]]) -> None:
    """Print false passes and false fails of each class."""
    wrong = _counted(cases, columns, lambda case, verdict: verdict and not case.expected)
    right = _counted(cases, columns, lambda case, verdict: case.expected and not verdict)
    heads = [f"{name}: passes" for name in columns] + [f"{name}: fails" for name in columns]
    print(f"| class | wrong | right | {' | '.join(heads)} |")
    print(f"| --- |{' --- |' * (len(heads) + 2)}")
    for kind in [*dict.fromkeys(case.kind for case in cases), "all"]:
        members = [case for case in cases if kind in (case.kind, "all")]
        negatives = sum(not case.expected for case in members)
        numbers = [negatives, len(members) - negatives]
        numbers += [counts[kind] for counts in (*wrong, *right)]
        print(f"| {kind} | {' | '.join(map(str, numbers))} |")


def _counted(
    cases: list[Case], columns: dict[str, list[bool]], fault: Callable[[Case, bool], bool]
) -> list[dict[str, int]]:
    tables = []
    for verdicts in columns.values():
        counts = dict.fromkeys([*(case.kind for case in cases), "all"], 0)
        for case, verdict in zip(cases, verdicts, strict=True):
            if fault(case, verdict):
                counts[case.kind] += 1
                counts["all"] += 1
        tables.append(counts)
    return tables


if __name__ == "__main__":
    main()
