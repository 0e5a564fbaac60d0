"""``selfcorrect compare`` as a user types it: what it refuses, keeps, resumes and retries."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import transformers

from selfcorrect_agents.cli.compare import CompareOptions, configured
from selfcorrect_agents.lm.agent import LanguageModelAgent
from selfcorrect_agents.lm.loading import load_policy
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_env import Report, evaluate
from selfcorrect_env.cli.main import main

MODEL = "tiny:steps=2,hidden_size=16,layers=1,heads=2,seed={seed}"

MINE = '''
import os, time
from dataclasses import dataclass, replace
from selfcorrect_agents.methods.multiturn_rl import MultiTurnRL, MultiTurnRLConfig
from selfcorrect_agents.training.config import Execution, Sampling

def seven(conversation):
    """Answers 7 to everything."""
    return "7"

@dataclass(frozen=True, kw_only=True)
class Learning(MultiTurnRLConfig):
    sampling: Sampling = Sampling(problems_per_step=2, samples=2)
    execution: Execution = Execution(checkpoint_every=100)
    steps: int = 12

class Fragile(MultiTurnRL):
    """Breaks, or takes its time, where the environment variables say so."""

    Learning = Learning

    def learn(self, env, config=None, *, run=None, progress=False):
        if os.environ.get("BREAK"):
            raise RuntimeError("the cable came out")
        log = run.log
        def slow_log(step, metrics):
            log(step, metrics)
            time.sleep(float(os.environ.get("DAWDLE", "0")))
        run.log = slow_log
        return super().learn(env, config, run=run, progress=progress)
'''

ENTRY = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from selfcorrect_env.cli.main import main; sys.exit(main(sys.argv[1:]))"
)
"""The console script, with Ctrl-C as in a terminal wherever the tests are run."""


@pytest.fixture(autouse=True)
def small_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SELFCORRECT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    bars = transformers.utils.logging.is_progress_bar_enabled()
    yield
    if bars:
        transformers.utils.logging.enable_progress_bar()


def start(*words: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ENTRY, "compare", *words],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def steps(path: Path) -> list[int]:
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_what_fails_or_is_stopped_is_gone_on_with_and_the_rest_is_kept(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    words = ["--methods", "mine:seven", "mine:Fragile", "--seeds", "0", "--n", "4"]
    words += ["--model", MODEL, "--out", "out"]
    cells = tmp_path / "out" / "cells"
    fragile, seven = cells / "mine-fragile-seed0", cells / "mine-seven-seed0"

    # one cell breaks: the other is finished, and the message leads to the log
    process = start(*words, BREAK="1")
    out, err = process.communicate()
    assert process.returncode == 1, err
    assert "mine:Fragile, seed 0 failed (status 1): RuntimeError: the cable came out" in err
    assert "the cable came out" in (fragile / "log.txt").read_text()
    assert "mine:seven" in out
    found = json.loads((tmp_path / "out/comparison.json").read_text("utf-8"))
    assert [method["name"] for method in found["methods"]] == ["mine:seven"]
    assert found["left_out"] == ["mine:Fragile"]
    assert found["methods"][0]["summary"] == "Answers 7 to everything."
    kept = {path: path.stat().st_mtime_ns for path in seven.rglob("*")}

    # Ctrl-C in the middle of training: the step is finished and a checkpoint written
    process = start(*words, DAWDLE="0.5")
    metrics = fragile / "run" / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while not (metrics.exists() and len(steps(metrics)) >= 2):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130, err
    assert "the same command resumes from out" in err
    (checkpoint,) = (fragile / "run" / "checkpoints").iterdir()
    reached = len(steps(metrics))
    assert 2 <= reached < 12
    assert str(reached) in checkpoint.name
    before = json.loads((fragile / "seconds.json").read_text())["training"]
    assert before > 0.5

    # the same command finishes it; what was finished is as it was
    process = start(*words)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert steps(metrics) == list(range(1, 13))
    assert json.loads((fragile / "seconds.json").read_text())["training"] > before
    assert kept == {path: path.stat().st_mtime_ns for path in seven.rglob("*")}
    found = json.loads((tmp_path / "out/comparison.json").read_text("utf-8"))
    assert [method["trained"] for method in found["methods"]] == [False, True]
    assert "mine:Fragile" in (tmp_path / "out/report.html").read_text("utf-8")
    assert found["methods"][1]["spent"]["episodes"] == 48
    assert found["methods"][1]["kl"][1]["value"] >= 0


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    try:
        status = main(["compare", *words])
    except SystemExit as end:  # tyro ends the process itself
        status = end.code if isinstance(end.code, int) else 1
    out, err = capsys.readouterr()
    return status, out, err


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "--help")
    assert status == 0
    for word in ("Examples:", "compare.toml", "--episodes", "--scaling", "report.html", "Ctrl-C"):
        assert word in out
    for word in ("None", "{[", "(default: )"):
        assert word not in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "Nothing to compare: give a compare.toml"),
        (["--methods", "scor"], "Did you mean 'score'?"),
        (["--methods", "base", "base"], "base is given twice"),
        (["--methods", "base", "--seeds", "0", "0"], "seeds must be all different"),
        (["--methods", "base", "--env", "SelfCorrect-Nothing-v0"], "SelfCorrect-Nothing"),
        (["--methods", "score", "--env", "CartPole-v1"], "CartPole"),
        (["--methods", "base", "--model", "tiny:depth=3"], "Unknown option 'depth' of"),
        (["--methods", "score", "--model", "models/{seed}"], "models/0': there is no folder"),
        (["--methods", "base", "--model", "empty"], "'empty' holds no model (no config.json)"),
        (["--methods", "base", "--model", "there.toml"], "a model is a folder or a .gguf file"),
        (["--methods", "base", "--reference", "score"], "reference: Unknown key 'score'"),
        (["nothing.toml"], "nothing.toml: cannot be read"),
        (["there.toml", "--methods", "base"], "--methods cannot be given with a file"),
        (["there.toml", "--n", "0"], "n must be at least 1"),
        (["there.toml", "--problems", "sums"], "--problems cannot be given with a file"),
        (["--methods", "base", "--attempts", "0"], "attempts"),
        (["--methods", "base", "--problems", "nothing.jsonl"], "nothing.jsonl"),
        (["same.toml"], "4 of the 4 problems measured on"),
        (["there.toml", "--scaling"], "add a table [scaling] to there.toml"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str], expected: str
) -> None:
    (tmp_path / "there.toml").write_text("[methods.base]")
    (tmp_path / "empty").mkdir()
    (tmp_path / "same.toml").write_text("problems = 'sums.jsonl'\n[methods.score]")
    rows = [{"prompt": f"{i} + 1", "reference": str(i + 1)} for i in range(4)]
    (tmp_path / "sums.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    status, out, err = run(capsys, *words)
    assert status == 2
    assert expected in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""
    assert not (tmp_path / "runs").exists()


LATE = '''
RIGHT = {"sum A": "1", "sum B": "2", "sum C": "3"}

def answer(conversation, turn):
    attempt = sum(message["role"] == "assistant" for message in conversation) + 1
    shown = str([message["content"] for message in conversation])
    (right,) = (answer for sum, answer in RIGHT.items() if sum in shown)
    return right if attempt == turn else "9"

def late(conversation):
    """Right at the third attempt alone."""
    return answer(conversation, 3)

def early(conversation):
    """Right at the first attempt alone."""
    return answer(conversation, 1)
'''


def compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], attempts: int
) -> tuple[str, dict[str, Any]]:
    """Compare an agent that is right at t3 alone with one that is right at t1 alone."""
    (tmp_path / "late.py").write_text(LATE)
    rows = [{"prompt": f"sum {x}", "reference": str(i)} for i, x in enumerate("ABC", start=1)]
    (tmp_path / "abc.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    words = ["--methods", "late:late", "late:early", "--seeds", "0", "--out", "out"]
    words += ["--problems", "abc.jsonl", "--verifier", "exact", "--attempts", str(attempts)]
    words += ["--decodings", "greedy", "--reference", "late:early"]
    status, out, err = run(capsys, *words)
    assert status == 0, err
    return out, json.loads((tmp_path / "out/comparison.json").read_text("utf-8"))


@pytest.mark.slow
def test_three_attempts_are_measured_and_named_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, found = compared(tmp_path, capsys, 3)
    late, early = (method["metrics"]["greedy"] for method in found["methods"])
    assert [each["value"] for each in late["accuracy"]] == [0, 0, 1]
    assert [each["value"] for each in early["accuracy"]] == [1, 0, 0]
    assert (late["delta"]["value"], early["delta"]["value"]) == (1, -1)
    assert found["pairs"][0]["difference"]["value"] == 1
    assert found["measured"]["attempts"] == 3
    markdown = (tmp_path / "out/table.md").read_text("utf-8")
    for text in (out, markdown):
        for name in ("acc@t1", "acc@t2", "acc@t3", "Δ(t1, t3)", "acc@t3, paired"):
            assert name in text
        assert "acc@t2, paired" not in text
    assert "| late:late | 0 | 0.0 | 0.0 | 100.0 | +100.0 | 0.0 | +100.0 | 100.0 | 0.0 |" in markdown
    table = (tmp_path / "out/table.csv").read_text("utf-8").splitlines()
    means = [row.split(",")[:5] for row in table if row.startswith("late:late,greedy,accuracy_t")]
    assert [[name, value] for _, _, name, seed, value in means if seed == "mean"] == [
        *(["accuracy_t1", "0.0"], ["accuracy_t2", "0.0"], ["accuracy_t3", "1.0"]),
        ["accuracy_t3 minus late:early", "1.0"],
    ]
    page = (tmp_path / "out/report.html").read_text("utf-8")
    assert "<b>late:late</b> has the highest Acc@t3" in page
    assert "Acc@t2, paired" not in page
    status, again, _ = run(capsys, "out/compare.toml", "--out", "out", "--json", "--quiet")
    assert status == 0
    assert json.loads(again)["methods"] == found["methods"]


@pytest.mark.slow
def test_one_attempt_has_no_second(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, found = compared(tmp_path, capsys, 1)
    late, early = (method["metrics"]["greedy"] for method in found["methods"])
    assert [each["value"] for each in late["accuracy"]] == [0]
    assert [each["value"] for each in early["accuracy"]] == [1]
    assert late["delta"] is None
    page = (tmp_path / "out/report.html").read_text("utf-8")
    assert "<b>late:early</b> has the highest Acc@t1" in page
    for text in (out, (tmp_path / "out/table.md").read_text("utf-8"), page):
        assert "cc@t1" in text
        assert "cc@t2" not in text


def test_options_are_laid_over_a_file(tmp_path: Path) -> None:
    path = tmp_path / "compare.toml"
    path.write_text("title = 'mine'\nn = 7\n[methods.base]\n[methods.score]\n[scaling]\n")
    config = configured(CompareOptions(config=str(path), seeds=(4,), scaling=False))
    assert (config.title, config.n, config.seeds) == ("mine", 7, (4,))
    assert config.scaling is None
    assert [method.label for method in config.methods] == ["base", "score"]
    alone = configured(CompareOptions(methods=("base",), scaling=True, env="SelfCorrect-MATH-v0"))
    assert alone.scaling is not None
    assert alone.test.id == "SelfCorrect-MATH-v0"


@pytest.mark.slow
def test_adapters_are_trained_saved_and_measured(
    tmp_path: Path, policy: Policy, capsys: pytest.CaptureFixture[str]
) -> None:
    policy.save_pretrained(tmp_path / "lm")
    (tmp_path / "compare.toml").write_text(
        'model = "lm"\nseeds = [0]\nn = 4\nepisodes = 16\njobs = 1\npreset = "one-gpu"\n'
        'max_new_tokens = 4\ndecodings = ["greedy"]\nlora = {rank = 2}\n[methods.base]\n'
        "[methods.score]\n"
        "learning = {problems_per_step = 2, samples = 2, learning_rate = 0.3}\n"
    )
    status, _, err = run(capsys, "compare.toml", "--lora.alpha", "64", "--out", "out")
    assert status == 0, err
    cells = tmp_path / "out" / "cells"
    saved = json.loads((cells / "score-seed0/run/model/adapter_config.json").read_text())
    assert (saved["r"], saved["lora_alpha"]) == (2, 64)
    trained = LanguageModelAgent(load_policy(cells / "score-seed0/run/model"), max_new_tokens=4)
    env = gym.make("SelfCorrect-Arithmetic-v0", split="test")
    found = evaluate(trained, env, n=4, batch_size=4).episodes
    stored = {name: Report.load(cells / name / "greedy") for name in ("score-seed0", "base-seed0")}
    assert [e.attempts for e in found] == [e.attempts for e in stored["score-seed0"].episodes]
    assert stored["score-seed0"].episodes != stored["base-seed0"].episodes
    comparison = json.loads((tmp_path / "out/comparison.json").read_text("utf-8"))
    assert comparison["loading"]["lora.rank"] == 2
    assert comparison["max_new_tokens"] == 4
