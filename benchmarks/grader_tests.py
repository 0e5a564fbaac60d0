"""Run our verifier and math-verify on the tests of other graders, which you collect yourself.

    python benchmarks/grader_tests.py pairs.jsonl
    python benchmarks/grader_tests.py --tests Math-Verify/tests/test_*.py --source math-verify
    python benchmarks/grader_tests.py --wrong cases.jsonl

The first form reads a file with one JSON object per line:

    {"source": "whose tests", "gold": "1/2", "prediction": "0.5", "expected": true,
     "form": "answer"}

``expected`` is whether the prediction should be accepted. ``form`` is ``"text"`` (the default) if
gold and prediction are texts that contain an answer, or ``"answer"`` if both are answers. In that
case the prediction is put into a box and, for math-verify, the gold between dollars, as its README
requires. The second form reads pytest files from your checkout: the tables of
``pytest.mark.parametrize`` whose columns are named gold, pred and expected (or result). It skips
and counts rows that are not literals. The third form reads the wrong
replies of files in the format of ``reward_cases.py``, which no grader should accept, and our own
pairs of different answers.

The script prints, for each source, on how many pairs each grader gives the expected verdict; then
each pair on which a grader does not. This package contains no tests of other projects.
"""

from __future__ import annotations

import argparse
import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify
from reward_cases import read_cases

from selfcorrect_env import Problem
from selfcorrect_env.verifiers.math import MathVerifier

CONFIG = (LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig())

OUR_PAIRS = Path(__file__).parents[1] / "tests/env/verifiers/math/equality_pairs.txt"

COLUMNS = {
    "gold": ("gold", "reference", "target"),
    "prediction": ("pred", "prediction"),
    "expected": ("expected", "result"),
}


@dataclass(frozen=True)
class Pair:
    """One test of a grader."""

    source: str
    gold: str
    prediction: str
    expected: bool
    form: str = "text"


def main() -> None:
    """Run the comparison and print it."""
    description = __doc__ or ""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", nargs="?", help="the file of pairs")
    parser.add_argument("--tests", nargs="+", default=[], help="pytest files of a grader")
    parser.add_argument("--source", default="tests", help="the name of the grader")
    parser.add_argument("--wrong", nargs="*", help="files of cases, of which the wrong ones count")
    parser.add_argument("--only", help="judge the pairs of this source only")
    options = parser.parse_args()
    if not options.pairs and not options.tests and options.wrong is None:
        parser.error("give a file of pairs, --tests with pytest files, or --wrong")
    pairs = from_lines(options.pairs) if options.pairs else []
    pairs += [pair for path in options.tests for pair in from_pytest(path, options.source)]
    if options.wrong is not None:
        pairs += [pair for path in options.wrong for pair in wrong_cases(path)]
        pairs += our_wrong_pairs()
    compare([pair for pair in pairs if options.only in (None, pair.source)])


def from_lines(path: str) -> list[Pair]:
    """Read the pairs of a file; raise ValueError with the line number of an invalid one."""
    pairs = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        try:
            pair = Pair(**json.loads(line))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{path}, line {number} is not a pair ({error}); see --help."
            ) from error
        if pair.form not in ("text", "answer"):
            raise ValueError(
                f"{path}, line {number}: form must be 'text' or 'answer', not {pair.form!r}."
            )
        pairs.append(pair)
    return pairs


def wrong_cases(path: str) -> list[Pair]:
    """Read the replies of a file of cases that should be refused."""
    return [
        Pair(case.kind, case.reference, case.reply, False)
        for case in read_cases(path)
        if not case.expected
    ]


def our_wrong_pairs() -> list[Pair]:
    """Read the different answers of our own table."""
    kind, pairs = "", []
    for line in OUR_PAIRS.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            kind = f"ours: {line[2:]}"
        elif line.startswith("- "):
            reference, _, answer = line[2:].partition(" @ ")
            pairs.append(Pair(kind, reference, answer, False, "answer"))
    return pairs


def from_pytest(path: str, source: str) -> Iterator[Pair]:
    """Read the tables of a pytest file, and print how many rows are not literals."""
    left_out = 0
    for node in ast.walk(ast.parse(Path(path).read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func).endswith("parametrize")):
            continue
        if len(node.args) < 2 or not isinstance(node.args[1], ast.List | ast.Tuple):
            continue
        try:
            named = ast.literal_eval(node.args[0])
        except ValueError:
            continue
        names = [name.strip() for name in (named.split(",") if isinstance(named, str) else named)]
        indices = {
            column: next((names.index(n) for n in spellings if n in names), None)
            for column, spellings in COLUMNS.items()
        }
        for row in node.args[1].elts if None not in indices.values() else ():
            try:
                values = ast.literal_eval(row)
            except ValueError:
                left_out += 1
                continue
            found = {
                column: values[index] for column, index in indices.items() if index is not None
            }
            yield Pair(
                source, str(found["gold"]), str(found["prediction"]), bool(found["expected"])
            )
    if left_out:
        print(f"{path}: skipped {left_out} rows that are not literals")


def compare(pairs: list[Pair]) -> None:
    """Judge all pairs and print the results."""
    verifier = MathVerifier(workers=1, deadline=5.0)
    verdicts = [(pair, by_us(verifier, pair), by_them(pair)) for pair in pairs]
    verifier.close()
    print(f"{'source':40} {'pairs':>6} {'ours':>6} {'math-verify':>12}")
    for source in [*dict.fromkeys(pair.source for pair in pairs), None]:
        rows = [row for row in verdicts if source in (None, row[0].source)]
        ours = sum(pair.expected == us for pair, us, _ in rows)
        theirs = sum(pair.expected == them for pair, _, them in rows)
        print(f"{source or 'all':40} {len(rows):6} {ours:6} {theirs:12}")
    for title, wanted in (
        ("only math-verify gives the expected verdict", (False, True)),
        ("only ours gives the expected verdict", (True, False)),
        ("neither gives the expected verdict", (False, False)),
    ):
        print(f"\n{title}:")
        for pair, us, them in verdicts:
            if (us == pair.expected, them == pair.expected) == wanted:
                said = "accept" if pair.expected else "refuse"
                print(
                    f"  {pair.source}: {said} {pair.prediction[-160:]!r} for {pair.gold[-160:]!r}"
                )


def by_us(verifier: MathVerifier, pair: Pair) -> bool:
    """Return whether our verifier accepts the prediction."""
    reply = rf"\boxed{{{pair.prediction}}}" if pair.form == "answer" else pair.prediction
    return verifier.verify(Problem(id="", prompt="", reference=pair.gold), reply).correct


def by_them(pair: Pair) -> bool:
    """Return whether math-verify, called as in its README, accepts the prediction."""
    dollars = pair.form == "answer" or not any(
        mark in pair.gold for mark in ("$", r"\boxed", r"\[")
    )
    gold = f"${pair.gold.strip().strip('$')}$" if dollars else pair.gold
    reply = rf"$\boxed{{{pair.prediction}}}$" if pair.form == "answer" else pair.prediction
    return verify(parse(gold, CONFIG), parse(reply, CONFIG))


if __name__ == "__main__":
    main()
