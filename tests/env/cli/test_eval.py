"""``selfcorrect eval``, in this process: what is printed, stored, reused and refused."""

import itertools
import json
import sys

import pytest

from selfcorrect_env import ProblemSet
from selfcorrect_env.cli.main import main
from selfcorrect_env.problems import write_trained_on

ENV = ["--env", "SelfCorrect-Arithmetic-v0"]
AGENT = """
import dataclasses

def zero(conversation):
    return "0"

@dataclasses.dataclass(frozen=True)
class Config:
    model: str = "none"

class Loaded:
    Config = Config

    @classmethod
    def from_config(cls, config):
        return cls()

    def act(self, conversations):
        return ["0"] * len(conversations)

def raises(problem, response):
    raise ZeroDivisionError("my bug")

def seldom(problem, response):
    if problem.prompt == "1":
        raise ZeroDivisionError("my bug")
    return response == problem.reference

def half(problem, response):
    return 0.5
"""
_number = itertools.count()


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module of agents and verifiers into the current folder; return its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    name = f"cli_agents_{next(_number)}"
    (tmp_path / f"{name}.py").write_text(AGENT)
    yield name
    sys.modules.pop(name, None)


@pytest.fixture
def evaluate(module, capsys):
    """Run the command; return its status, its stdout and its stderr."""

    def run(agent, *words):
        status = main(["eval", agent if ":" not in agent else f"{module}{agent}", *ENV, *words])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def problems(path, count=8):
    rows = [{"prompt": str(i), "reference": "0"} for i in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def last_line(text):
    return text.strip().splitlines()[-1]


def test_what_was_reused_is_said(evaluate):
    words = ("--n", "6", "--out", "runs/one")
    status, out, _ = evaluate(":zero", *words)
    assert (status, "already stored" in out) == (0, False)
    status, out, _ = evaluate(":zero", *words)
    assert status == 0
    assert "6 of 6 episodes were already stored; 0 played" in out


def test_results_of_an_edited_module_are_refused_in_one_line(evaluate, module, tmp_path):
    words = ("--n", "6", "--out", "runs/one")
    evaluate(":zero", *words)
    (tmp_path / f"{module}.py").write_text(AGENT.replace('return "0"', 'return "1"'))
    sys.modules.pop(module)
    status, out, err = evaluate(":zero", *words)
    assert (status, out) == (2, "")
    assert f"code of the agent has changed: {module}.zero" in last_line(err)
    assert len(last_line(err)) < 300


def test_results_of_other_weights_in_the_same_folder_are_refused(evaluate, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("1")
    words = ("--model", "model", "--n", "3", "--out", "run")
    assert evaluate(":Loaded", *words)[0] == 0
    assert evaluate(":Loaded", *words)[0] == 0
    (tmp_path / "model" / "weights").write_text("2")
    status, _, err = evaluate(":Loaded", *words)
    assert status == 2
    assert "settings.model_sha256" in last_line(err)


def test_a_verifier_that_always_fails_is_exit_status_1_with_its_cause(evaluate, module):
    status, out, err = evaluate(":zero", "--n", "4", "--verifier", f"{module}:raises")
    assert status == 1
    assert "no episode was judged. First cause: " in last_line(err)
    assert "ZeroDivisionError: my bug" in last_line(err)
    assert "First cause" in out
    status, out, _ = evaluate(":zero", "--n", "4", "--verifier", f"{module}:raises", "--json")
    assert status == 1
    assert "my bug" in json.loads(out)["metrics"]["first_error"]


def test_a_verifier_that_fails_at_times_is_named_in_the_report(evaluate, module, tmp_path):
    path = problems(tmp_path / "mine.jsonl")
    words = (":zero", "--problems", path, "--verifier", f"{module}:seldom")
    status, out, err = evaluate(*words)
    assert status == 0
    for text in (" ".join(out.split()), last_line(err)):
        assert "1 episode was not judged, of " in text
        assert "First cause: seldom raised ZeroDivisionError" in text
    assert "1 episode was not judged" in last_line(evaluate(*words, "--json")[2])


def test_partial_credit_is_in_the_report(evaluate, module, tmp_path):
    path = problems(tmp_path / "mine.jsonl")
    words = (":zero", "--problems", path, "--verifier", f"{module}:half")
    _, out, _ = evaluate(*words)
    assert "mean score@t1" in out
    assert "50.0" in out
    _, out, _ = evaluate(*words, "--json")
    assert [s["value"] for s in json.loads(out)["metrics"]["score"]] == [0.5, 0.5]


def test_json_is_one_object_on_stdout(evaluate):
    status, out, _ = evaluate(":zero", "--n", "5", "--json")
    found = json.loads(out)
    assert status == 0
    assert found["metrics"]["episodes"] == 5
    assert found["measured"]["problem_set"] == "arithmetic"
    assert found["warnings"] == []


def test_problems_that_were_trained_on_are_named(evaluate, tmp_path):
    model = tmp_path / "runs" / "x" / "model"
    model.mkdir(parents=True)
    path = problems(tmp_path / "mine.jsonl")
    write_trained_on(model.parent, ProblemSet.from_file(path).head(3))
    words = (":Loaded", "--model", "runs/x/model", "--problems", path)
    _, out, _ = evaluate(*words)
    assert "3 of the 8 measured problems were also trained on" in " ".join(out.split())
    _, out, _ = evaluate(*words, "--json")
    assert "3 of the 8" in json.loads(out)["warnings"][0]


@pytest.mark.parametrize("agent", [":zero"])
def test_no_line_is_wider_than_80_columns_and_no_number_is_cut(evaluate, agent):
    _, out, _ = evaluate(agent, "--n", "40")
    assert max(map(len, out.splitlines())) <= 80
    assert "…" not in out
    assert "wrong → right (i→c)" in out
    assert any(line.startswith("fingerprint ") for line in out.splitlines())


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--n", "0"), "--n must be at least 1, got 0"),
        (("--n", "-3"), "--n must be at least 1, got -3"),
        (("--batch-size", "0"), "--batch-size must be at least 1, got 0"),
        (("--out", "a_file"), "a_file' is a file. Name a folder"),
        (("--out", "a_file/below"), "a_file' is a file"),
        (("--out", "/proc/x"), "cannot write to '/proc/x'"),
    ],
)
def test_invalid_options_are_one_line_and_status_2(evaluate, tmp_path, words, part):
    (tmp_path / "a_file").write_text("")
    status, out, err = evaluate(":zero", *words)
    assert (status, out) == (2, "")
    assert part in last_line(err)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("SelfCorrect-Math-v0", "SelfCorrect-MATH-v0"),
        ("selfcorrect-gsm8k-v0", "SelfCorrect-GSM8K-v0"),
        ("SelfCorrect-Arithmtic-v0", "SelfCorrect-Arithmetic-v0"),
    ],
)
def test_the_closest_id_is_suggested(module, capsys, written, meant):
    for command in (["eval", f"{module}:zero", "--env", written], ["play", written]):
        assert main(command) == 2
        assert f"Did you mean '{meant}'?" in capsys.readouterr().err
