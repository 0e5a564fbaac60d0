"""play and evaluate: what the agent is shown, in which order, and what is kept."""

import importlib
import json
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.errors import (
    CheckpointError,
    EpisodeError,
    ProblemSetError,
    UnjudgedWarning,
    UnsupportedEnvError,
)
from selfcorrect_env.evaluation.agents import ask
from selfcorrect_env.evaluation.episode_files import read_episodes
from selfcorrect_env.evaluation.evaluator import as_agent, evaluate, play
from selfcorrect_env.evaluation.report import Report
from selfcorrect_env.evaluation.runners import BatchRunner, SingleRunner, runner_for
from selfcorrect_env.problems import ProblemSet, read_trained_on, write_trained_on
from selfcorrect_env.prompts import Prompts
from selfcorrect_env.types import Reason, Reply, Transition
from selfcorrect_env.vector_env import SelfCorrectVectorEnv
from selfcorrect_env.wrappers import ProgressBonus, VectorProgressBonus

SUMS = [
    {"id": f"sum-{i}", "prompt": f"{i} + {i}", "reference": str(2 * i), "secret": f"hidden-{i}"}
    for i in range(1, 8)
]
IDS = [row["id"] for row in SUMS]


def second_thoughts(conversation):
    """Wrong at first, right at last; knows no more than the conversation."""
    number = int(conversation[0]["content"].split(" + ")[0])
    return "no idea" if len(conversation) == 1 else str(2 * number)


class Recorder:
    """Answers like `second_thoughts` and keeps what it was shown."""

    name = "recorder"
    decoding = "greedy"

    def __init__(self):
        self.shown = []

    def act(self, conversations):
        self.shown.append(conversations)
        return [second_thoughts(conversation) for conversation in conversations]


class Foreign(gym.Env[Any, str]):
    """An environment of another make that keeps to the protocol."""

    def __init__(self, inner):
        self.inner = inner
        self.observation_space, self.action_space = inner.observation_space, inner.action_space

    def reset(self, *, seed=None, options=None):
        return self.inner.reset(seed=seed, options=options)

    def step(self, action):
        return self.inner.step(action)


def sums_env():
    return SelfCorrectEnv(SUMS)


ENVIRONMENTS = {
    "plain": sums_env,
    "vector": lambda: SelfCorrectVectorEnv(3, SUMS),
    "vector bonus": lambda: VectorProgressBonus(SelfCorrectVectorEnv(3, SUMS), alpha=10.0),
    "made": lambda: gym.make(
        "SelfCorrect-Arithmetic-v0", problems=SUMS, verifier="exact", prompts="plain"
    ),
    "bonus": lambda: ProgressBonus(sums_env(), alpha=10.0),
    "foreign": lambda: Foreign(sums_env()),
    "observing": lambda: gym.wrappers.TransformObservation(sums_env(), lambda c: c, None),
}


@pytest.mark.parametrize("kind", ENVIRONMENTS)
@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_every_problem_once_in_order(kind, batch_size):
    episodes = play(second_thoughts, ENVIRONMENTS[kind](), batch_size=batch_size)
    assert [e.problem.id for e in episodes] == IDS
    assert {e.transition for e in episodes} == {Transition.INCORRECT_TO_CORRECT}
    for e in episodes:
        assert [m["role"] for m in e.conversation] == ["user", "assistant", "user", "assistant"]
        assert [a.reply for a in e.attempts] == ["no idea", e.problem.reference]


def test_all_ways_of_stepping_give_the_same_episodes():
    expected = play(second_thoughts, sums_env())
    for make in ENVIRONMENTS.values():
        assert play(second_thoughts, make()) == expected


def test_batches_are_used_wherever_they_change_nothing():
    kinds = {kind: type(runner_for(make())) for kind, make in ENVIRONMENTS.items()}
    single = {kind for kind, runner in kinds.items() if runner is SingleRunner}
    assert single == {"foreign", "observing"}
    agent = Recorder()
    play(agent, sums_env(), batch_size=5)
    assert [len(batch) for batch in agent.shown] == [5, 5, 2, 2]


def test_a_wrapper_that_changes_what_the_agent_sees_is_kept():
    def with_hint(conversation):
        return ({"role": "system", "content": "hint"}, *conversation)

    agent = Recorder()
    agent.act = lambda cs: agent.shown.append(cs) or ["y"] * len(cs)
    play(agent, gym.wrappers.TransformObservation(sums_env(), with_hint, None), indices=[0])
    assert [batch[0][0]["content"] for batch in agent.shown] == ["hint", "hint"]


class Hinted(SelfCorrectEnv):
    """Shows a hint; its own step makes the second attempt wrong."""

    def reset(self, *, seed=None, options=None):
        conversation, info = super().reset(seed=seed, options=options)
        return ({"role": "system", "content": "hint"}, *conversation), info

    def step(self, action):
        said = action if action == "no idea" else "never"
        conversation, *rest = super().step(said)
        return ({"role": "system", "content": "hint"}, *conversation), *rest


class OwnVector(Hinted):
    """Vectorises itself."""

    def vectorised(self, num_envs, *, autoreset_mode=AutoresetMode.DISABLED):
        return super().vectorised(num_envs, autoreset_mode=autoreset_mode)


class RandomOwn(SelfCorrectEnv):
    """A subclass that draws at random and is played in a batch."""

    def reset(self, *, seed=None, options=None):
        conversation, info = super().reset(seed=seed, options=options)
        number = str(self.np_random.integers(10**9))
        return ({"role": "system", "content": number}, *conversation), info

    def vectorised(self, num_envs, *, autoreset_mode=AutoresetMode.DISABLED):
        return super().vectorised(num_envs, autoreset_mode=autoreset_mode)


HINTED = {
    "bare": lambda: Hinted(SUMS),
    "wrapped": lambda: gym.wrappers.RecordEpisodeStatistics(Hinted(SUMS)),
    "bonus": lambda: ProgressBonus(Hinted(SUMS)),
    "made": lambda: gym.make("HintedSums-v0"),
    "id": lambda: "HintedSums-v0",
    "limited": lambda: gym.make("HintedSums-v0", max_episode_steps=2),
    "own vector": lambda: OwnVector(SUMS),
}


@pytest.fixture
def hinted_id():
    gym.register("HintedSums-v0", entry_point=Hinted, kwargs={"problems": SUMS})
    yield
    del gym.registry["HintedSums-v0"]


@pytest.mark.usefixtures("hinted_id")
@pytest.mark.parametrize("kind", HINTED)
def test_a_subclass_is_measured_by_its_own_reset_and_step(kind):
    shown = []

    def act(conversation):
        shown.append(conversation[0]["content"])
        return "no idea" if len(conversation) == 2 else "2"

    report = evaluate(act, HINTED[kind]())
    assert set(shown) == {"hint"}
    assert [e.problem.id for e in report.episodes] == IDS
    assert report.metrics.accuracy[-1].value == 0.0
    assert {a.reply for e in report.episodes for a in e.attempts} == {"no idea", "never"}


def test_a_subclass_that_vectorises_itself_is_played_in_batches():
    agent = Recorder()
    agent.act = lambda cs: agent.shown.append(cs) or ["y"] * len(cs)
    play(agent, OwnVector(SUMS))
    assert [len(batch) for batch in agent.shown] == [7, 7]


def test_environments_that_evaluation_cannot_run_are_named():
    class Rows(SelfCorrectVectorEnv):
        def reset(self, **arguments):
            return super().reset(**arguments)

    with pytest.raises(UnsupportedEnvError, match="Rows replaces methods"):
        play(second_thoughts, Rows(2, SUMS))
    wrapped = gym.wrappers.vector.TransformObservation(
        SelfCorrectVectorEnv(2, SUMS, autoreset_mode="NextStep"), list
    )
    with pytest.raises(UnsupportedEnvError, match="TransformObservation may change"):
        play(second_thoughts, wrapped)


class Lottery(gym.Wrapper):
    """Puts a number drawn at random in front of every conversation."""

    def reset(self, *, seed=None, options=None):
        conversation, info = self.env.reset(seed=seed, options=options)
        number = str(self.unwrapped.np_random.integers(10**9))
        return ({"role": "system", "content": number}, *conversation), info


@pytest.mark.parametrize("kind", [lambda: Lottery(sums_env()), lambda: RandomOwn(SUMS)])
def test_what_an_environment_draws_at_random_repeats_and_differs_between_problems(kind):
    def numbers(indices=None):
        shown = {}

        def act(conversation):
            if len(conversation) == 2:
                shown[conversation[1]["content"]] = conversation[0]["content"]
            return "y"

        play(act, kind(), indices=indices)
        return shown

    assert numbers() == numbers()
    assert len(set(numbers().values())) == 7
    assert numbers([3]).items() <= numbers().items()


def test_the_agent_is_shown_conversations_and_nothing_else():
    agent = Recorder()
    evaluate(agent, sums_env())
    for batch in agent.shown:
        for conversation in batch:
            assert isinstance(conversation, tuple)
            assert all(message.keys() == {"role", "content"} for message in conversation)
    assert "hidden" not in str(agent.shown)
    assert "correct=" not in str(agent.shown)


def test_the_correction_is_the_same_whether_the_attempt_was_right():
    right, wrong = (
        play(lambda c, reply=reply: reply, sums_env(), indices=[0])[0] for reply in ("2", "3")
    )
    assert right.attempts[0].verdict.correct
    assert not wrong.attempts[0].verdict.correct
    assert right.conversation[2] == wrong.conversation[2]


def test_an_agent_that_spoils_its_conversations_hurts_only_itself():
    def spoil(conversation):
        reply = second_thoughts(conversation)
        conversation[0]["content"] = "spoilt"
        return reply

    assert play(spoil, sums_env()) == play(second_thoughts, sums_env())


class Returns:
    name = "odd"

    def __init__(self, replies):
        self.replies = replies

    def act(self, conversations):
        return self.replies


@pytest.mark.parametrize(
    ("replies", "message"),
    [
        ("text", "'odd' returned a str; act.. returns one str for each of 7 conversations"),
        (None, "'odd' returned a NoneType"),
        (["y"], "'odd' returned 1 replies; act.. returns one str for each of 7"),
        (["y"] * 6 + [b"y"], r"'odd' returned a bytes \(b'y'\) as reply 6"),
        ([["y"]] * 7, r"'odd' returned a list \(\['y'\]\) as reply 0"),
    ],
)
def test_an_agents_wrong_answer_is_named(replies, message):
    with pytest.raises(TypeError, match=message):
        play(Returns(replies), sums_env())


def test_as_agent():
    agent = Recorder()
    assert as_agent(agent) is agent
    assert ask(as_agent(len), []) == []
    with pytest.raises(TypeError, match="class Recorder; make an object"):
        as_agent(Recorder)
    with pytest.raises(TypeError, match="got str"):
        as_agent("base")


def test_tokens_and_truncation_come_from_the_reply():
    episode = play(lambda c: Reply("2", tokens=3, truncated=True), sums_env(), indices=[0])[0]
    assert [(a.tokens, a.truncated) for a in episode.attempts] == [(3, True)] * 2


def test_hostile_replies_leave_the_others_unharmed():
    hostile = iter(["", "x" * 1_000_000, "\x00" * 9, "\ud800", "{" * 9_999, r"\boxed{9^{9^{9^9}}}"])

    def act(conversation):
        return second_thoughts(conversation) if len(conversation) > 1 else next(hostile, "no idea")

    episodes = play(act, sums_env())
    assert {e.transition for e in episodes} == {Transition.INCORRECT_TO_CORRECT}


def test_chosen_indices():
    assert [e.problem.id for e in play(second_thoughts, sums_env(), indices=[4, 0, 4])] == [
        "sum-5",
        "sum-1",
        "sum-5",
    ]
    assert play(second_thoughts, sums_env(), indices=[]) == []
    for outside in (-1, 7):
        with pytest.raises(ProblemSetError, match=f"Index {outside} is outside.*0 to 6"):
            play(second_thoughts, sums_env(), indices=[0, outside])


def test_bad_calls_are_refused():
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        play(second_thoughts, sums_env(), batch_size=0)
    with pytest.raises(ProblemSetError, match="n >= 1, got 0"):
        evaluate(second_thoughts, sums_env(), n=0)
    with pytest.raises(TypeError, match="got int"):
        play(second_thoughts, 3)
    with pytest.raises(TypeError, match="got SyncVectorEnv"):
        play(second_thoughts, gym.vector.SyncVectorEnv([sums_env]))
    with pytest.raises(EpisodeError, match="no 'problem_set'"):
        play(second_thoughts, gym.make("CartPole-v1"))


def test_evaluate_reports_what_was_measured():
    agent, env = Recorder(), sums_env()
    report = evaluate(agent, env, n=4, settings={"model": "none"})
    measured = report.measured
    assert (measured.agent, measured.decoding) == ("recorder", "greedy")
    assert (measured.fingerprint, measured.size) == (env.problems.fingerprint, 7)
    assert (measured.verifier, measured.prompts) == (env.verifier.name, env.prompts.name)
    assert [e.problem.id for e in report.episodes] == IDS[:4]
    assert report.metrics.delta_i_to_c.value == 1.0
    assert len(evaluate(agent, env, n=99).episodes) == 7
    assert evaluate(second_thoughts, env).agent == "second_thoughts"
    assert evaluate(second_thoughts, env, name="mine").agent == "mine"


def test_evaluate_takes_an_id():
    report = evaluate(lambda c: "0", "SelfCorrect-Arithmetic-v0", n=20)
    assert report.measured.problem_set == "arithmetic"
    assert report.metrics.episodes == 20


def test_a_failing_verifier_is_not_a_wrong_answer():
    def breaks_on_sum_3(problem, response):
        if problem.id == "sum-3":
            raise RuntimeError("it broke")
        return response == problem.reference

    env = SelfCorrectEnv(SUMS, verifier=breaks_on_sum_3)
    with pytest.warns(UnjudgedWarning, match="1 episode was not judged, of 7: accuracy@t2 is 85.7"):
        metrics = evaluate(second_thoughts, env).metrics
    assert (metrics.episodes, metrics.unjudged) == (7, 1)
    assert metrics.accuracy[1].value == 1.0
    assert metrics.turns[0].reasons[Reason.ERROR.value] == 1


# -- oracles ---------------------------------------------------------------------------------
class Attached(Recorder):
    """Keeps what it was attached to."""

    def __init__(self):
        super().__init__()
        self.attached = []

    def attach(self, env):
        self.attached.append(env)


class Seer(Attached):
    oracle = True


@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_an_oracle_is_shown_the_environment_before_it_plays_and_is_named_so(kind):
    agent, env = Seer(), ENVIRONMENTS[kind]()
    report = evaluate(agent, env)
    assert report.agent == "recorder (oracle)"
    assert agent.attached == [env.unwrapped]
    assert evaluate(agent, env, name="mine").agent == "mine (oracle)"
    assert evaluate(agent, env, name="mine (oracle)").agent == "mine (oracle)"
    play(agent, env, indices=[0])
    assert len(agent.attached) == 4


def test_no_other_agent_is_shown_anything():
    agent = Attached()
    assert evaluate(agent, sums_env()).agent == "recorder"
    agent.oracle = "yes"  # only True says it
    play(agent, sums_env())
    assert agent.attached == []


def test_an_oracle_that_knows_already_needs_no_environment():
    agent = Recorder()
    agent.oracle = True
    assert evaluate(agent, sums_env()).agent == "recorder (oracle)"


# -- runs that are interrupted -----------------------------------------------------------------
class Unreliable(Recorder):
    """Fails in its n-th call, if there is an n, as Ctrl-C or a lost server would make it."""

    def __init__(self, calls=None, error=None):
        super().__init__()
        self.fail(calls, error)

    def fail(self, calls, error):  # set by a method, so it is no setting of the agent
        self._calls, self._error = calls, error

    def act(self, conversations):
        if len(self.shown) == self._calls:
            raise self._error
        return super().act(conversations)


@pytest.mark.parametrize("error", [ConnectionError("lost"), KeyboardInterrupt()])
def test_an_interrupted_evaluation_resumes_where_it_stopped(tmp_path, error):
    whole = evaluate(Unreliable(), sums_env(), batch_size=2, out=tmp_path / "whole")
    with pytest.raises(type(error)):
        evaluate(Unreliable(5, error), sums_env(), batch_size=2, out=tmp_path / "cut")
    assert [e.problem.id for e in read_episodes(tmp_path / "cut" / "episodes.jsonl")] == IDS[:4]
    agent = Unreliable()
    resumed = evaluate(agent, sums_env(), batch_size=2, out=tmp_path / "cut")
    assert sum(map(len, agent.shown)) == 2 * 3
    assert resumed == whole == Report.load(tmp_path / "cut")
    assert (whole.reused, resumed.reused) == (0, 4)
    assert "4 of 7 episodes were already stored; 3 played" in str(resumed)
    assert "already stored" not in str(whole)


def test_a_finished_evaluation_is_not_played_again_and_can_be_extended(tmp_path):
    evaluate(Recorder(), sums_env(), n=3, out=tmp_path)
    again, more = Recorder(), Recorder()
    assert len(evaluate(again, sums_env(), n=3, out=tmp_path).episodes) == 3
    assert again.shown == []
    assert [e.problem.id for e in evaluate(more, sums_env(), out=tmp_path).episodes] == IDS
    assert len(more.shown[0]) == 4


def test_a_folder_of_another_evaluation_is_refused(tmp_path):
    evaluate(Recorder(), sums_env(), n=3, out=tmp_path)
    with pytest.raises(CheckpointError, match="agent: 'recorder', now 'other'"):
        evaluate(Recorder(), sums_env(), name="other", out=tmp_path)
    with pytest.raises(CheckpointError, match="fingerprint"):
        evaluate(Recorder(), SelfCorrectEnv(SUMS[:5]), out=tmp_path)
    with pytest.raises(CheckpointError, match=r"\(settings.temperature: None, now 1.0\)"):
        evaluate(Recorder(), sums_env(), settings={"temperature": 1.0}, out=tmp_path)
    with pytest.raises(CheckpointError, match="already holds 3 episodes, more than the 2"):
        evaluate(Recorder(), sums_env(), n=2, out=tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"run\.json: not valid JSON"):
        evaluate(Recorder(), sums_env(), n=3, out=tmp_path)
    (tmp_path / "run.json").unlink()
    with pytest.raises(CheckpointError, match=r"no run\.json"):
        evaluate(Recorder(), sums_env(), n=3, out=tmp_path)


@pytest.mark.parametrize("path", ["file", "file/below", "/proc/nowhere"])
def test_a_folder_that_cannot_be_written_is_named(tmp_path, path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"(file|proc).*cannot hold results"):
        evaluate(second_thoughts, sums_env(), out=tmp_path / path)


# -- stored results are of the same code ----------------------------------------------------------
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


# -- what a reader must know ------------------------------------------------------------------
def test_nothing_judged_is_said_with_the_first_cause():
    def broken(problem, response):
        raise ZeroDivisionError("my bug")

    with pytest.warns(UnjudgedWarning, match=r"no episode was judged.*ZeroDivisionError: my bug"):
        report = evaluate(second_thoughts, SelfCorrectEnv(SUMS, verifier=broken))
    assert "Warning: no episode was judged. First cause: broken raised" in str(report)


def test_an_overlap_with_the_training_set_stands_in_the_report(tmp_path):
    trained = ProblemSet.from_records(SUMS[:3], name="training sums", split="train")
    write_trained_on(tmp_path, trained)
    known = read_trained_on(tmp_path)
    report = evaluate(second_thoughts, sums_env(), out=tmp_path / "out", trained_on=known)
    assert "3 of the 7 measured problems were also trained on (training sums" in str(report)
    assert Report.load(tmp_path / "out").warnings == report.warnings
    assert report.to_dict()["warnings"] == list(report.warnings)
    elsewhere = SelfCorrectEnv(SUMS[3:])
    assert evaluate(second_thoughts, elsewhere, trained_on=known).warnings == ()
    agent = Recorder()
    agent.trained_on = known
    assert len(evaluate(agent, sums_env()).warnings) == 1


def test_progress_goes_to_stderr(capsys):
    evaluate(second_thoughts, sums_env(), progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "7/7" in err


def test_reports_are_json(tmp_path):
    evaluate(Recorder(), sums_env(), out=tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["measured"]["agent"] == "recorder"


def test_the_runners_leave_the_callers_environment_alone():
    env = sums_env()
    before = env.reset(options={"index": 2})
    play(second_thoughts, env)
    observation, *_ = env.step("no idea")
    assert observation[: len(before[0])] == before[0]
    assert isinstance(runner_for(env), BatchRunner)
