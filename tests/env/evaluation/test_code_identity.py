"""A stored evaluation is only resumed with the code that its episodes were played with."""

import importlib
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from evaluated_sums import SUMS, Hinted, Lottery, Recorder, second_thoughts, sums_env

from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.errors import CheckpointError
from selfcorrect_env.evaluation.evaluator import evaluate
from selfcorrect_env.prompts import Prompts

MODULE = """
from {helper} import help_out
CONSTANT = {constant!r}

def answer(conversation):
    # {comment}
    return help_out(CONSTANT, len(conversation))

class Agent:
    def __init__(self, temperature=0.0):
        self.temperature = temperature
        self.calls = []

    def act(self, conversations):
        self.calls.append(len(conversations))
        return [answer(c) + {method!r} for c in conversations]

def right(problem, response):
    return response == {right!r}
"""
HELPER = "def help_out(constant, turn):\n    return constant if turn == 1 else {last!r}\n"
FIRST = {"constant": "2", "last": "3", "comment": "", "method": "", "right": "2"}


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write the module and its helper with changes; import them anew."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(**changes):
        values = {**FIRST, "helper": "stored_helper", **changes}
        (tmp_path / "stored_agent.py").write_text(MODULE.format(**values))
        (tmp_path / "stored_helper.py").write_text(HELPER.format(**values))
        for name in ("stored_agent", "stored_helper"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module("stored_agent")

    yield write
    for name in ("stored_agent", "stored_helper"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("kind", "change", "named"),
    [
        ("function", {"constant": "4"}, "agent has changed: stored_agent.CONSTANT"),
        ("function", {"last": "4"}, "agent has changed: stored_helper.help_out"),
        ("object", {"method": "!"}, "agent has changed: stored_agent.Agent.act"),
        ("object", {"constant": "4"}, "agent has changed: stored_agent.CONSTANT"),
        ("verifier", {"right": "3"}, "verifier has changed: stored_agent.right"),
    ],
)
def test_results_of_changed_code_are_refused_by_name(tmp_path, written, kind, change, named):
    def run(module, n=3):
        agent = {"function": module.answer, "object": module.Agent()}.get(kind, second_thoughts)
        verifier = module.right if kind == "verifier" else "exact"
        return evaluate(agent, SelfCorrectEnv(SUMS, verifier=verifier), n=n, out=tmp_path / "runs")

    first = run(written())
    assert first.reused == 0
    assert run(written(comment="a remark")).reused == 3  # the same code, imported again
    with pytest.raises(CheckpointError, match=named) as refused:
        run(written(**change))
    assert len(str(refused.value)) < 300
    assert run(written(), n=5).reused == 3


def test_a_redefined_function_is_refused(tmp_path):
    def agent(conversation):
        return "2"

    evaluate(agent, sums_env(), out=tmp_path)

    def agent(conversation):
        return "4"

    with pytest.raises(CheckpointError, match=r"code of the agent has changed: .*agent"):
        evaluate(agent, sums_env(), out=tmp_path)


def test_what_a_function_closes_over_and_its_defaults_count(tmp_path):
    def made(word, twice=1):
        def agent(conversation, times=twice):
            return word * times

        return agent

    evaluate(made("2"), sums_env(), out=tmp_path)
    assert evaluate(made("2"), sums_env(), out=tmp_path).reused == 7
    for other in (made("3"), made("2", twice=2)):
        with pytest.raises(CheckpointError, match="code of the agent"):
            evaluate(other, sums_env(), out=tmp_path)


def test_settings_of_an_agent_count_and_what_it_remembers_does_not(tmp_path, written):
    agent = written().Agent(temperature=0.5)
    evaluate(agent, sums_env(), n=2, out=tmp_path / "runs")
    assert evaluate(agent, sums_env(), out=tmp_path / "runs").reused == 2
    with pytest.raises(CheckpointError, match=r"Agent\.temperature"):
        evaluate(written().Agent(temperature=0.7), sums_env(), out=tmp_path / "runs")


class Holder:
    """An agent that answers with what it finds in its attribute ``held``."""

    def __init__(self, held, read):
        self.held, self._read = held, read
        self.seen, self._cache, self.counts = [], {}, {"calls": 0}

    def act(self, conversations):
        self.seen.append(len(conversations))
        self._cache[len(self.seen)] = conversations
        self.counts["calls"] += 1
        return [str(self._read(self.held)) for _ in conversations]


class Hidden:
    def __init__(self, value):
        self._value = value


@pytest.mark.parametrize(
    ("read", "first", "other"),
    [
        (lambda held: held[0], ["2"], ["3"]),
        (lambda held: held["a"], {"a": "2"}, {"a": "3"}),
        (lambda held: held._value, Hidden("2"), Hidden("3")),
        (lambda held: held[0]._value, [Hidden("2")], [Hidden("3")]),
        (lambda held: held["a"]("x"), {"a": lambda _: "2"}, {"a": lambda _: "3"}),
        (lambda held: held[0], np.array([2]), np.array([3])),
        (lambda held: held.a, SimpleNamespace(a=2), SimpleNamespace(a=3)),
    ],
    ids=["list", "dict", "private", "objects", "functions", "array", "namespace"],
)
def test_what_an_agent_or_verifier_holds_counts(tmp_path, read, first, other):
    agent = Holder(first, read)
    evaluate(agent, sums_env(), n=2, out=tmp_path / "agent")
    assert evaluate(agent, sums_env(), out=tmp_path / "agent").reused == 2
    with pytest.raises(CheckpointError, match="code of the agent has changed"):
        evaluate(Holder(other, read), sums_env(), out=tmp_path / "agent")

    def env(held):
        judge = SimpleNamespace(held=held)
        return SelfCorrectEnv(SUMS, verifier=lambda _, response: response == read(judge.held))

    evaluate(second_thoughts, env(first), out=tmp_path / "verifier")
    with pytest.raises(CheckpointError, match="code of the verifier"):
        evaluate(second_thoughts, env(other), out=tmp_path / "verifier")


CALLS = 0


class Counting:
    """Counts its calls in every way there is."""

    calls = 0
    name = "counting"

    def __init__(self):
        self.own_calls = 0

    def act(self, conversations):
        global CALLS
        CALLS += 1
        Counting.calls += 1
        self.own_calls += 1
        return ["2"] * len(conversations)


SEEN: list = []
KNOWN = {"1 + 1": "2"}
TOLD = {"last": ""}


def remembers(conversation):
    SEEN.append(conversation)
    TOLD["last"] = conversation[0]["content"]
    return KNOWN.get("1 + 1")


def test_what_a_function_remembers_in_a_list_or_dict_does_not_count(tmp_path, monkeypatch):
    cache = {}

    def agent(conversation):
        cache[len(cache)] = conversation
        return remembers(conversation)

    evaluate(agent, sums_env(), n=2, out=tmp_path)
    assert SEEN
    assert cache
    assert evaluate(agent, sums_env(), out=tmp_path).reused == 2
    monkeypatch.setitem(KNOWN, "1 + 1", "3")  # what it only reads counts
    with pytest.raises(CheckpointError, match="KNOWN"):
        evaluate(agent, sums_env(), out=tmp_path)


def test_what_the_code_itself_counts_does_not_count(tmp_path):
    agent = Counting()
    evaluate(agent, sums_env(), n=2, out=tmp_path)
    assert (CALLS, Counting.calls, agent.own_calls) == (2, 2, 2)
    assert evaluate(agent, sums_env(), out=tmp_path).reused == 2


def test_prompts_environment_and_fingerprint_count(tmp_path):
    def env(correction="Again?", kind=SelfCorrectEnv):
        return kind(SUMS, prompts=Prompts("mine", correction=correction))

    agent = Recorder()
    agent.fingerprint = lambda: "weights 1"
    evaluate(agent, env(), out=tmp_path)
    with pytest.raises(CheckpointError, match=r"code of the prompts has changed: Prompts\.corr"):
        evaluate(agent, env("Really?"), out=tmp_path)
    with pytest.raises(CheckpointError, match="code of the environment"):
        evaluate(agent, env(kind=Hinted), out=tmp_path)
    with pytest.raises(CheckpointError, match="code of the environment"):
        evaluate(agent, Lottery(env()), out=tmp_path)
    agent.fingerprint = lambda: "weights 2"
    with pytest.raises(CheckpointError, match="agent_fingerprint: 'weights 1', now 'weights 2'"):
        evaluate(agent, env(), out=tmp_path)


def test_the_same_code_has_the_same_identity_in_another_process(tmp_path, written):
    written()
    script = (
        "import json, stored_agent as m; from selfcorrect_env.evaluation.code_identity import "
        "code_of; print(json.dumps([code_of(m.answer), code_of(m.Agent()), code_of(m.right)]))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
