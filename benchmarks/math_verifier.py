"""How fast and how accurate is the math verifier, compared to math-verify on the same pairs?

    python benchmarks/math_verifier.py                          # built-in problems
    python benchmarks/math_verifier.py --path math500.jsonl     # MATH-500's answers
    python benchmarks/math_verifier.py --pairs pairs.jsonl      # {"reference", "reply", "right"}

For each reference the script makes replies like a model's, in the paper's format, boxed or plain:
half of them right with another spelling, half wrong (another problem's answer, or the right one
with a changed number). No pair occurs twice, so caches have no effect. Our verifier uses one
worker, in which math-verify decides the pairs that the exact algebra leaves open. The script
prints every verdict that disagrees with the label.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify

from selfcorrect_env import Problem, ProblemSet, load_problems
from selfcorrect_env.verifiers.math import MathVerifier

CONFIG = (LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig())

FORMS = (
    "We work it out step by step.\nFinal Answer: The final answer is $%s$. I hope it is correct.",
    r"Adding up what we found, the result is $\boxed{%s}$.",
    r"Therefore, the answer is \[\boxed{%s}.\]",
    "So the answer is $%s$.",
)


@dataclass(frozen=True)
class Pair:
    """A reply to judge, and whether it is right."""

    reference: str
    reply: str
    right: bool


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--path", help="MATH-500 (math500.jsonl); by default the built-in problems")
    parser.add_argument("--pairs", help="a file of pairs instead")
    parser.add_argument("--n", type=int, default=1000, help="number of pairs")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.pairs:
        rows = map(json.loads, Path(options.pairs).read_text().splitlines())
        pairs = [Pair(row["reference"], row["reply"], bool(row["right"])) for row in rows]
    else:
        source = (
            {"name": "hendrycks", "path": options.path} if options.path else {"name": "procedural"}
        )
        pairs = make_pairs(load_problems(**source), options.n, random.Random(options.seed))
    verifier = MathVerifier(workers=1, deadline=5.0)
    verifier.verify(
        Problem(id="", prompt="", reference=r"\sin x"), r"\boxed{\cos x}"
    )  # starts the worker
    parse(r"$\boxed{1}$", CONFIG)
    ours = judged("selfcorrect-env", pairs, lambda pair: by_us(verifier, pair))
    theirs = judged("math-verify", pairs, by_them)
    print(f"ratio of throughputs: {theirs / ours:.1f}")
    verifier.close()


def by_us(verifier: MathVerifier, pair: Pair) -> bool:
    """Return whether our verifier accepts the reply."""
    return verifier.verify(Problem(id="", prompt="", reference=pair.reference), pair.reply).correct


def by_them(pair: Pair) -> bool:
    """Return whether math-verify, called as in its README, accepts the reply."""
    gold = parse(f"${pair.reference}$", CONFIG)
    return verify(gold, parse(pair.reply, CONFIG))


def judged(name: str, pairs: list[Pair], judge: Callable[[Pair], bool]) -> float:
    """Judge all pairs, print speed and accuracy, and return the seconds."""
    start = time.perf_counter()
    verdicts = [judge(pair) for pair in pairs]
    seconds = time.perf_counter() - start
    wrong = [p for p, verdict in zip(pairs, verdicts, strict=True) if verdict != p.right]
    right = len(pairs) - len(wrong)
    print(
        f"{name:16} {right}/{len(pairs)} as labelled, {seconds:6.2f} s, "
        f"{len(pairs) / seconds:7.0f} pairs/s, {1000 * seconds / len(pairs):6.2f} ms each"
    )
    for pair in wrong:
        kind = "rejected" if pair.right else "accepted"
        print(f"    {kind}: reference {pair.reference!r}, reply {pair.reply[-90:]!r}")
    return seconds


def make_pairs(problems: ProblemSet, n: int, rng: random.Random) -> list[Pair]:
    """Return ``n`` pairs, half of them right, cycling through the references."""
    pairs: list[Pair] = []
    seen: set[tuple[str, str]] = set()
    references = [problem.reference for problem in problems]
    while len(pairs) < n:
        reference = references[len(pairs) // 2 % len(references)]
        right = len(pairs) % 2 == 0
        answer = respelled(reference, rng) if right else spoiled(reference, references, rng)
        reply = rng.choice(FORMS).replace("%s", answer)
        if (reference, reply) in seen:
            reply = f"Attempt {len(pairs)}. {reply}"
        seen.add((reference, reply))
        pairs.append(Pair(reference, reply, right))
    return pairs


def respelled(reference: str, rng: random.Random) -> str:
    """Return another spelling of the same answer, if the drawn rule applies."""
    rules: list[Callable[[str], str]] = [
        lambda text: text,
        lambda text: text.replace(r"\frac", r"\dfrac"),
        lambda text: re.sub(r"\\frac\{(\d+)\}\{(\d+)\}", r"\\frac{\1}{\2}", text).replace(" ", ""),
        lambda text: re.sub(r"^\\frac\{(\d+)\}\{(\d+)\}$", r"\1/\2", text),
        lambda text: re.sub(r"^(\d+)$", r"\1.0", text),
        lambda text: re.sub(r"^(\d{1,3})(\d{3})$", r"\1,\2", text),
        lambda text: text.replace("(", r"\left(").replace(")", r"\right)"),
        lambda text: re.sub(r"^(-?\d+)$", r"x = \1", text),
        lambda text: re.sub(r"^(\d+) ?\+ ?(.+)$", r"\2 + \1", text),
        lambda text: re.sub(r"^\\frac\{(\d+)\}\{(\d+)\}$", _doubled, text),
        lambda text: re.sub(r"(\d)\\sqrt", r"\1 \\cdot \\sqrt", text),
        lambda text: text.replace(r"\pi", r"\cdot \pi") if re.match(r"\d+\\pi$", text) else text,
        lambda text: text.replace(r"^\circ", r"^{\circ}"),
    ]
    return rng.choice(rules)(reference)


def _doubled(found: re.Match[str]) -> str:
    return rf"\frac{{{2 * int(found[1])}}}{{{2 * int(found[2])}}}"


def spoiled(reference: str, references: list[str], rng: random.Random) -> str:
    """Return a wrong answer: the right one with a changed number, or another problem's answer."""
    numbers = list(re.finditer(r"\d+", reference))
    if numbers and rng.random() < 0.7:
        number = rng.choice(numbers)
        changed = str(int(number.group()) + rng.choice((1, 2, 10)))
        return reference[: number.start()] + changed + reference[number.end() :]
    others = [other for other in references if other != reference]
    return rng.choice(others)


if __name__ == "__main__":
    main()
