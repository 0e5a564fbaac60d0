"""play and evaluate: what the agent is shown, in which order, and what is reported."""

import json

import gymnasium as gym
import pytest
from evaluated_sums import ENVIRONMENTS, IDS, SUMS, Recorder, second_thoughts, sums_env

from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.errors import EpisodeError, ProblemSetError, UnjudgedWarning
from selfcorrect_env.evaluation.agents import ask
from selfcorrect_env.evaluation.evaluator import as_agent, evaluate, play
from selfcorrect_env.evaluation.report import Report
from selfcorrect_env.problems import ProblemSet, read_trained_on, write_trained_on
from selfcorrect_env.types import Reason, Reply, Transition


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
        ("text", "'odd' returned a value of type str; act.. returns one str for each of 7 conv"),
        (None, "'odd' returned a value of type NoneType"),
        (["y"], "'odd' returned 1 reply; act.. returns one str for each of 7"),
        (["y"] * 6 + [b"y"], r"'odd' returned a value of type bytes \(b'y'\) as reply 6"),
        ([["y"]] * 7, r"'odd' returned a value of type list \(\['y'\]\) as reply 0"),
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
    again = evaluate(second_thoughts, sums_env(), samples=4, trained_on=known)
    assert "3 of the 7 measured problems were also trained on (training sums" in str(again)
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
