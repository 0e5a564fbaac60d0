"""compare.toml: what it holds, how it comes back, what it refuses and how it says so."""

from dataclasses import replace
from pathlib import Path

import pytest

from selfcorrect_agents.comparison.plan.config import (
    CompareConfig,
    EnvConfig,
    MethodConfig,
    ScalingConfig,
    config_of,
    read_config,
    to_toml,
)
from selfcorrect_agents.errors import ComparisonError

WHOLE = """
title = 'A "quoted" title'
model = "tiny:seed={seed}"
seeds = [0, 3]
episodes = 512
jobs = 1
n = 50
decodings = ["greedy"]
max_new_tokens = 8
env = "SelfCorrect-MBPP-v0"
train = {isolation = "basic"}
test = {env = "SelfCorrect-HumanEval-v0", split = "test"}
reference = "no bonus"

[scaling]
n = 10
samples = 8
temperature = 1
methods = ["no bonus"]

[methods.base]

[methods."no bonus"]
agent = "score"
learning = {alpha = 0.0, stage_one_steps = 2}
play = {max_new_tokens = 4}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "compare.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, WHOLE))
    assert config.methods == (
        MethodConfig(label="base", agent="base"),
        MethodConfig(
            label="no bonus",
            agent="score",
            learning={"alpha": 0.0, "stage_one_steps": 2},
            play={"max_new_tokens": 4},
        ),
    )
    assert config.seeds == (0, 3)
    assert config.train == EnvConfig(
        id="SelfCorrect-MBPP-v0", options={"split": "train", "isolation": "basic"}
    )
    assert config.test == EnvConfig(id="SelfCorrect-HumanEval-v0", options={"split": "test"})
    assert config.scaling == ScalingConfig(n=10, samples=8, temperature=1.0, methods=("no bonus",))
    assert config.base == "base"
    assert config.referred == "no bonus"


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, WHOLE))
    config = replace(config, title='Line\nbreak, \\, "quotes", ünicode and 𝛂')
    assert read_config(written(tmp_path, to_toml(config))) == config
    small = config_of({"methods": {"base": {}}}, "here")
    assert read_config(written(tmp_path, to_toml(small))) == small


def test_options_of_the_environment_are_for_training_and_testing(tmp_path: Path) -> None:
    text = "problems = 'sums'\nattempts = 3\ntest = {attempts = 2}\n[methods.base]"
    config = read_config(written(tmp_path, text))
    assert config.train.options == {"split": "train", "problems": "sums", "attempts": 3}
    assert config.test.options == {"split": "test", "problems": "sums", "attempts": 2}
    assert read_config(written(tmp_path, to_toml(config))) == config


def test_the_reference_is_score_unless_another_is_named() -> None:
    methods = {"base": {}, "ours": {"agent": "score"}, "SCoRe": {"agent": "score"}}
    assert config_of({"methods": methods}, "here").referred == "SCoRe"
    del methods["SCoRe"]
    assert config_of({"methods": methods}, "here").referred == "ours"
    assert config_of({"methods": {"base": {}}}, "here").referred is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sedes = [0]\n[methods.base]", "Unknown key 'sedes'. Did you mean 'seeds'?"),
        ("seeds = 3\n[methods.base]", "seeds must be a list, got 3"),
        ("seeds = ['0']\n[methods.base]", "seeds must be a whole number, got '0'"),
        ("seeds = []\n[methods.base]", "at least one seed"),
        ("seeds = [1, 1]\n[methods.base]", "all different"),
        ("seeds = [-1]\n[methods.base]", "at least 0"),
        ("episodes = 1.5\n[methods.base]", "episodes must be a whole number, got 1.5"),
        ("episodes = true\n[methods.base]", "episodes must be a whole number, got True"),
        ("n = 0\n[methods.base]", "n must be at least 1, got 0"),
        ("problems = 50\n[methods.base]", "The number of problems is n = 50."),
        ("[methods.a]\n[scaling]\nproblems = 9", "The number of problems is n = 9."),
        ("attempts = '3'\n[methods.base]", "attempts must be a whole number, got '3'"),
        ("decodings = ['beam']\n[methods.base]", "some of sampled, greedy"),
        ("decodings = []\n[methods.base]", "some of sampled, greedy"),
        ("train = 'x'\n[methods.base]", "train must be a table, got 'x'"),
        ("env = 1\n[methods.base]", "env must be a text in quotes, got 1"),
        ("title = 'x'", "at least one method"),
        ("reference = 'scor'\n[methods.score]", "Did you mean 'score'?"),
        ("[methods.a]\n[methods.a]", "cannot be read as TOML"),
        ("[methods.SCoRe]\n[methods.score]", "would share the folder 'score'"),
        ("[methods.a]\nlerning = {}", "[methods.'a']: Unknown key 'lerning'"),
        ("[methods.a]\nlearning = 1", "learning must be a table"),
        ("[methods.a]\nlabel = 'b'", "the label is the table's name"),
        ("[methods.a]\nplay = {temperature = 0.5}", "temperature is set by the comparison"),
        ("[methods.'??']", "needs a letter or digit"),
        ("[methods.a]\n[scaling]\nsamples = 1", "samples must be at least 2"),
        ("[methods.a]\n[scaling]\nmethods = ['b']", "scaling: methods: Unknown key 'b'"),
        ("[methods.a]\n[scaling]\ntemperature = 0", "temperature must be above 0"),
        ("[methods.a]\n[scaling]\ntemperature = inf", "above 0 and finite, got inf"),
        ("[methods.a]\n[scaling]\nmethods = []", "scaling: methods must be at least one label"),
        (f"seeds = [{2**63}]\n[methods.a]", "below 2⁶³ each"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, expected: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ComparisonError) as caught:
        read_config(path)
    assert expected in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ComparisonError, match=r"nothing\.toml"):
        read_config(tmp_path / "nothing.toml")


def test_a_configuration_made_in_python_checks_itself() -> None:
    with pytest.raises(ComparisonError, match="jobs must be at least 1"):
        CompareConfig(methods=(MethodConfig(label="base", agent="base"),), jobs=0)


def test_the_same_label_twice_is_refused() -> None:
    method = MethodConfig(label="SCoRe", agent="score")
    with pytest.raises(ComparisonError, match="would share the folder 'score'"):
        CompareConfig(methods=(method, method))
