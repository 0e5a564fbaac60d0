"""Do verdicts depend on what else the machine does?

    python benchmarks/busy_machine.py

Each program and each answer is judged on the machine as it is, and again while busy loops (three
per core by default) run beside it. The deadlines do not count the time in which a program waits
for a processor, so the verdicts are the same; only the wall clock differs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from selfcorrect_env.types import Problem
from selfcorrect_env.verifiers import CodeVerifier, MathVerifier, Verifier

DEADLINE = 2.0
HONEST = "def add(a, b):\n    return a + b\n"


def work(share: float) -> str:
    """Return code that computes for this share of the deadline."""
    return (
        f"import time\nend = time.process_time() + {share * DEADLINE}\n"
        "while time.process_time() < end:\n    pass\n"
    )


def sleep(share: float) -> str:
    """Return code that sleeps for this share of the deadline."""
    return f"import time\ntime.sleep({share * DEADLINE})\n"


PROGRAMS = {
    "honest": HONEST,
    "computes for 30 % of the deadline": work(0.3) + HONEST,
    "computes for 60 % of the deadline": work(0.6) + HONEST,
    "computes for 75 % of the deadline": work(0.75) + HONEST,
    "sleeps for 60 % of the deadline": sleep(0.6) + HONEST,
    "computes for 150 % of the deadline": work(1.5) + HONEST,
    "sleeps for 150 % of the deadline": sleep(1.5) + HONEST,
    "loops": "while True:\n    pass\n",
    "sleeps": "import time\ntime.sleep(1000)\n",
    "wrong": "def add(a, b):\n    return a - b\n",
}
ANSWERS = {
    r"\arccos(1/2)": r"\frac{\pi}{3}",
    r"(x+1)^5": r"x^5+5x^4+10x^3+10x^2+5x+1",
    r"\sqrt{5+2\sqrt{6}}": r"\sqrt{2}+\sqrt{3}",
    r"\sin(x)^2+\cos(x)^2": "1",
    r"\frac{1}{\sqrt{2}+1}": r"\sqrt{2}-1",
    r"\arcsin(1/2)": r"\frac{\pi}{3}",
    r"\sqrt{2}+\sqrt{5}": r"\sqrt{2}+\sqrt{3}",
}


@contextmanager
def busy_loops(number: int) -> Iterator[None]:
    """Run processes that never sleep."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def judged(verifier: Verifier, problem: Problem, reply: str) -> tuple[str, float]:
    """Return the reason of a verdict and the seconds of wall clock that it took."""
    start = time.perf_counter()
    verdict = verifier.verify(problem, reply)
    return verdict.reason.value, time.perf_counter() - start


def all_judged() -> dict[str, tuple[str, float]]:
    """Judge each program and each answer once."""
    code, math = CodeVerifier(deadline=DEADLINE, workers=1), MathVerifier()
    metadata = {"tests": ["assert add(1, 2) == 3"], "names": ["add"]}
    adding = Problem(id="add", prompt="Write add(a, b).", reference=HONEST, metadata=metadata)
    found = {}
    for what, source in PROGRAMS.items():
        found[f"program: {what}"] = judged(code, adding, f"```python\n{source}```")
    for answer, reference in ANSWERS.items():
        problem = Problem(id="math", prompt="Evaluate.", reference=reference)
        found[f"{answer} for {reference}"] = judged(math, problem, rf"It is $\boxed{{{answer}}}$.")
    code.close()
    math.close()
    return found


def main() -> None:
    """Judge everything twice, and print the verdicts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--loops", type=int, default=3 * (os.cpu_count() or 1))
    loops = parser.parse_args().loops
    alone = all_judged()
    with busy_loops(loops):
        busy = all_judged()
    print(f"{'':56} {'as it is':>19} {f'with {loops} busy loops':>22}")
    for what, (verdict, seconds) in alone.items():
        print(
            f"{what:56} {verdict:>10} {seconds:6.2f} s {busy[what][0]:>12} {busy[what][1]:7.2f} s"
        )
    different = [what for what in alone if alone[what][0] != busy[what][0]]
    print(f"{len(alone) - len(different)} of {len(alone)} verdicts are the same")


if __name__ == "__main__":
    main()
