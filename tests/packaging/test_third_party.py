"""Another package's agents take part in ``selfcorrect compare`` by their entry points alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "their-agents"
version = "1.0"

[project.entry-points."selfcorrect_env.agents"]
their_rule = "their_agents:Rule"
their_method = "their_agents:Nudge"

[project.entry-points."selfcorrect_env.prompts"]
theirs = "their_agents:PROMPTS"
"""

MODULE = '''
from dataclasses import dataclass, replace

import torch

from selfcorrect_agents import LanguageModelAgent
from selfcorrect_env import Prompts

PROMPTS = Prompts(name="theirs", attempt="Q: {prompt}", correction="Sure?")


@dataclass(frozen=True, kw_only=True)
class Settings:
    digit: int = 1
    seed: int = 0


class Rule:
    """A digit at first, the next one after that."""

    Config = Settings

    def __init__(self, config):
        self.config = config

    @classmethod
    def from_config(cls, config):
        return cls(config)

    def act(self, conversations):
        return [str((self.config.digit + len(c) // 2) % 10) for c in conversations]


@dataclass(frozen=True, kw_only=True)
class NudgeLearning:
    """Steps of two episodes."""

    steps: int = 50
    size: float = 0.01
    seed: int = 0

    @property
    def episodes(self):
        return 2 * self.steps

    def within(self, episodes):
        return replace(self, steps=episodes // 2)


class Nudge(LanguageModelAgent):
    """Moves the weights about at random, and logs nothing itself."""

    Learning = NudgeLearning

    def learn(self, env, config=None, *, run=None, progress=False):
        generator = torch.Generator().manual_seed(config.seed)
        history = []
        for step in range(config.steps):
            env.reset(seed=step)
            env.step("1")
            env.step("1")
            for weight in self.policy.model.parameters():
                noise = torch.randn(weight.shape, generator=generator)
                weight.data.add_(config.size * noise)
            history.append({"episodes": 2.0 * (step + 1), "tokens": 4.0 * (step + 1)})
        return history
'''

TOML = """
seeds = [0, 1]
episodes = 10
n = 6
max_new_tokens = 4
model = "tiny:steps=2,hidden_size=16,layers=1,heads=2"
decodings = ["greedy"]
reference = "nudged"

[methods."rule of 3"]
agent = "their_rule"
play = {digit = 3}

[methods.nudged]
agent = "their_method"
learning = {size = 0.5}

[scaling]
n = 3
samples = 4
methods = ["nudged"]
"""


def run(*command: object, cwd: Path, **variables: str) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_agents_of_another_package_are_compared(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "installed"
    (source / "their_agents").mkdir(parents=True)
    (source / "pyproject.toml").write_text(PYPROJECT)
    (source / "their_agents" / "__init__.py").write_text(MODULE)
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    run(sys.executable, "-m", "pip", "install", *offline, "--target", target, source, cwd=tmp_path)
    (tmp_path / "compare.toml").write_text(TOML)
    paths = {"PYTHONPATH": str(target), "SELFCORRECT_CACHE": str(tmp_path / "cache")}
    script = Path(sys.executable).with_name("selfcorrect")

    listed = json.loads(run(script, "list", "--json", cwd=tmp_path, **paths))["agents"]
    assert listed["their_rule"] == "A digit at first, the next one after that. (from their-agents)"

    known = run(script, "list", "--json", cwd=tmp_path, **paths)
    assert "theirs" in json.loads(known)["prompts"]
    words = ("eval", "their_rule", "--env", "SelfCorrect-Arithmetic-v0", "--n", "2")
    shown = run(script, *words, "--prompts", "theirs", "--out", "eval", cwd=tmp_path, **paths)
    assert "prompts theirs" in shown
    row = json.loads((tmp_path / "eval" / "episodes.jsonl").read_text().splitlines()[0])
    assert "Sure?" in json.dumps(row)

    words = ("compare", "compare.toml", "--out", "out")
    shown = run(script, *words, cwd=tmp_path, **paths)
    assert "rule of 3" in shown
    found = json.loads((tmp_path / "out" / "comparison.json").read_text("utf-8"))
    assert all("the token cap cut off" in note for note in found["notes"])  # it is hardly trained
    rule, nudged = found["methods"]
    assert rule["summary"] == "A digit at first, the next one after that."
    assert (rule["trained"], nudged["trained"]) == (False, True)
    # the rule never gives one answer twice, and has no weights: both seeds are the same
    assert rule["metrics"]["greedy"]["unchanged_answers"]["seeds"] == [0.0, 0.0]
    replies = (tmp_path / "out/cells/rule-of-3-seed1/greedy/episodes.jsonl").read_text()
    assert json.loads(replies.splitlines()[0])["replies"] == ["3", "4"]
    # the method is kept to the budget; what it returned is its log; what it learnt is measured
    assert nudged["spent"]["episodes"] == 10
    assert nudged["spent"]["tokens"] == 20
    assert [row["step"] for row in nudged["curves"]["1"]] == [1, 2, 3, 4, 5]
    assert (tmp_path / "out/cells/nudged-seed0/run/model/config.json").exists()
    assert nudged["scaling"]["replies"] == [2, 4]
    assert rule["scaling"] is None
    (pair,) = found["pairs"]
    assert (pair["first"], pair["second"]) == ("nudged", "rule of 3")
