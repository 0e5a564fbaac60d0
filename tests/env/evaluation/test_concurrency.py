"""Agents that are asked one conversation at a time, many at once: threads and event loops."""

import asyncio
import json
import threading
import time

import pytest
from evaluated_sums import ENVIRONMENTS, IDS, SUMS, Recorder, second_thoughts, sums_env

from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.errors import AgentError, NoReplyError, UnjudgedWarning
from selfcorrect_env.evaluation.agents import AsyncAgent, as_agent
from selfcorrect_env.evaluation.episode_files import read_episodes
from selfcorrect_env.evaluation.evaluator import evaluate, play
from selfcorrect_env.evaluation.report import Report
from selfcorrect_env.evaluation.rescoring import rescore
from selfcorrect_env.types import Generation, Reason, Reply


async def awaited(conversation):
    await asyncio.sleep(0)
    return second_thoughts(conversation)


class Awaitable:
    """An object whose call is a coroutine."""

    async def __call__(self, conversation):
        return second_thoughts(conversation)


class Counted(AsyncAgent):
    """Answers like `second_thoughts`, and notes how it is used."""

    name = "counted"

    def __init__(self, wait=0.0):
        self._wait = wait
        self._open = self._at_once = 0
        self.most, self.shown, self.samples, self.state = 0, [], [], []

    async def __aenter__(self):
        self.state.append("open")
        return self

    async def __aexit__(self, *_):
        self.state.append("closed")

    async def answer(self, conversation, sample=0):
        self.shown.append(conversation)
        self.samples.append(sample)
        self._at_once += 1
        self.most = max(self.most, self._at_once)
        await asyncio.sleep(self._wait)
        self._at_once -= 1
        return second_thoughts(conversation)


@pytest.mark.parametrize("kind", ENVIRONMENTS)
@pytest.mark.parametrize("agent", [awaited, Awaitable(), Counted(), second_thoughts])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_the_same_episodes_as_in_batches(kind, agent, concurrency):
    expected = play(Recorder(), ENVIRONMENTS[kind]())
    assert play(agent, ENVIRONMENTS[kind](), concurrency=concurrency) == expected


@pytest.mark.parametrize(
    ("raised", "error", "message"),
    [
        (AgentError("no key"), AgentError, "^no key$"),
        (ConnectionError("no server"), ConnectionError, "^no server$"),
        (asyncio.CancelledError(), AgentError, "its own|own code cancelled it"),
    ],
)
def test_an_agent_that_cannot_be_opened_says_why(raised, error, message):
    class Closed(Counted):
        async def __aenter__(self):
            raise raised

    for _ in range(5):  # its loop has ended before, or while, it is asked
        with pytest.raises(error, match=message):
            evaluate(Closed(), sums_env())


def test_an_agent_finds_its_own_replies_after_an_attempt_that_is_given():
    rows = [{"prompt": "1 + 1", "reference": "2", "first_attempt": "3"}]
    seen = []

    async def agent(conversation):
        spoken = [m["content"] for m in conversation if m["role"] == "assistant"]
        seen.append([getattr(reply, "tokens", None) for reply in spoken])
        return Reply("3", tokens=7 + len(spoken))

    evaluate(agent, SelfCorrectEnv(rows, attempts=3))
    assert seen == [[None], [None, 8], [None, 8, 9]]


def test_chosen_problems_come_in_the_order_that_was_asked():
    found = play(awaited, sums_env(), indices=[4, 0, 4])
    assert [episode.problem.id for episode in found] == ["sum-5", "sum-1", "sum-5"]


def test_no_more_are_asked_at_once_than_allowed():
    agent = Counted(wait=0.01)
    evaluate(agent, sums_env(), concurrency=3)
    assert agent.most == 3
    assert agent.state == ["open", "closed"]


def test_an_environment_that_is_stepped_as_it_is_plays_one_episode_at_a_time():
    agent = Counted(wait=0.001)
    evaluate(agent, ENVIRONMENTS["foreign"]())
    assert agent.most == 1


def test_a_slow_reply_does_not_delay_the_others():
    finished = threading.Event()
    answered = []

    def agent(conversation):
        if conversation[0]["content"] == "1 + 1" and len(conversation) == 1:
            assert finished.wait(30)  # until all other episodes are over
        reply = second_thoughts(conversation)
        answered.append(conversation[0]["content"])
        if len(answered) == 12:
            finished.set()
        return reply

    assert len(evaluate(agent, sums_env(), concurrency=2).episodes) == 7
    assert answered[-2:] == ["1 + 1", "1 + 1"]


def test_plain_functions_are_called_in_threads_only_if_asked():
    def threads(**options):
        seen = set()

        def agent(conversation):
            seen.add(threading.current_thread())
            time.sleep(0.001)
            return "y"

        evaluate(agent, sums_env(), **options)
        return seen

    assert threads() == {threading.main_thread()}
    assert threads(concurrency=1) == {threading.main_thread()}
    assert threading.main_thread() not in threads(concurrency=4)


def test_a_batched_agent_takes_no_concurrency():
    with pytest.raises(ValueError, match="'recorder' answers whole batches: give batch_size"):
        evaluate(Recorder(), sums_env(), concurrency=4)
    with pytest.raises(ValueError, match="concurrency must be at least 1, got 0"):
        evaluate(awaited, sums_env(), concurrency=0)


def test_samples_are_numbered():
    agent = Counted()
    evaluate(agent, sums_env(), n=2, samples=3)
    assert sorted(agent.samples) == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]


def test_an_agent_finds_its_own_replies_in_the_conversation():
    class Thinking(AsyncAgent):
        found = ""

        async def answer(self, conversation, sample=0):
            if len(conversation) > 1:
                Thinking.found = conversation[1]["content"].generation.reasoning
            return Reply("2", generation=Generation(reasoning="1 and 1"))

    evaluate(Thinking(), sums_env(), n=1)
    assert Thinking.found == "1 and 1"


def test_an_async_agent_is_an_agent_of_batches_too():
    async def inside():  # as in a notebook, whose thread has a running event loop
        return as_agent(awaited).act([[{"role": "user", "content": "3 + 3"}]] * 40)

    assert asyncio.run(inside()) == ["no idea"] * 40


class Cancelling(Counted):
    """Its second request is cancelled, as by a timeout of a library."""

    async def answer(self, conversation, sample=0):
        if len(self.shown) == 1:
            self.shown.append(conversation)
            raise asyncio.CancelledError
        return await super().answer(conversation, sample)


def test_a_request_that_the_agent_cancels_is_a_reply_that_does_not_come():
    """The others go on, and nothing waits for it for ever."""
    agent = Cancelling(wait=0.01)
    with pytest.warns(UnjudgedWarning, match="The request was cancelled"):
        report = evaluate(agent, sums_env(), concurrency=4)
    assert report.metrics.unjudged == 1
    assert agent.state == ["open", "closed"]


def test_an_answer_that_is_no_text_is_named():
    async def agent(conversation):
        return None

    with pytest.raises(TypeError, match="returned a value of type NoneType"):
        evaluate(agent, sums_env())


# -- replies that do not come ------------------------------------------------------------------
def failing(problems, cause):
    """Answer like `second_thoughts`; raise at a problem's second attempt."""

    async def agent(conversation):
        if conversation[0]["content"] in problems and len(conversation) > 1:
            raise cause
        return second_thoughts(conversation)

    return agent


@pytest.mark.parametrize("concurrency", [None, 4])
@pytest.mark.parametrize("plain", [False, True])
def test_a_reply_that_does_not_come_leaves_one_episode_unjudged(plain, concurrency):
    agent = failing({"3 + 3"}, NoReplyError("the server\n refused it"))
    if plain:
        asynchronous = agent

        def agent(conversation):
            return asyncio.run(asynchronous(conversation))

    with pytest.warns(UnjudgedWarning, match="First cause: the server refused it"):
        report = evaluate(agent, sums_env(), concurrency=concurrency)
    assert [e.problem.id for e in report.episodes] == IDS
    assert (report.metrics.unjudged, report.metrics.accuracy[-1].value) == (1, 1.0)
    lost = report.episodes[2]
    assert [a.verdict.reason for a in lost.attempts] == [Reason.WRONG, Reason.NO_REPLY]
    assert [a.reply for a in lost.attempts] == ["no idea", ""]
    assert rescore(report.episodes, "exact").after.unjudged == 1
    assert report.metrics.turns[1].characters == pytest.approx((4 + 2 * 2) / 6, abs=1)


def test_nothing_answered_is_reported_without_numbers():
    async def agent(conversation):
        raise NoReplyError("down")

    with pytest.warns(UnjudgedWarning, match="no episode was judged"):
        report = evaluate(agent, sums_env())
    assert "no reply" in str(report)
    assert report.to_dict()["metrics"]["turns"][0]["characters"] is None


def test_an_agents_bug_is_raised_and_what_was_answered_is_kept(tmp_path):
    with pytest.raises(ZeroDivisionError):
        evaluate(failing({"3 + 3"}, ZeroDivisionError()), sums_env(), out=tmp_path, concurrency=1)
    rows = map(json.loads, (tmp_path / "replies.jsonl").read_text().splitlines())
    assert {(row["episode"], row["attempt"]) for row in rows} >= {(0, 0), (0, 1), (2, 0)}


# -- interruptions -----------------------------------------------------------------------------
class Interrupted(Counted):
    """Is stopped after some replies, as by Ctrl-C, while others are still being waited for."""

    def stop_after(self, replies):
        self._left = replies
        return self

    async def answer(self, conversation, sample=0):
        reply = await super().answer(conversation, sample)
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        return Reply(reply, tokens=2, generation=Generation(prompt_tokens=5, finish_reason="stop"))


@pytest.mark.parametrize("replies", [0, 1, 5, 9, 13])
def test_an_interrupted_evaluation_asks_nothing_twice(tmp_path, replies):
    first, second = Interrupted().stop_after(replies), Interrupted().stop_after(100)
    with pytest.raises(KeyboardInterrupt):
        evaluate(first, sums_env(), out=tmp_path, concurrency=3)
    kept = (tmp_path / "replies.jsonl").read_text().splitlines() if replies else []
    assert len(kept) == replies
    report = evaluate(second, sums_env(), out=tmp_path, concurrency=3)
    assert len(second.shown) == 14 - replies
    assert [e.problem.id for e in report.episodes] == IDS
    assert report == Report.load(tmp_path)
    assert report.usage == Report.load(tmp_path).usage
    assert (report.usage.replies, report.usage.prompt_tokens) == (14, 70)
    assert "14 replies in 14 requests; finish reasons: stop 14" in str(report)
    assert evaluate(Interrupted().stop_after(0), sums_env(), out=tmp_path).reused == 7


class Gappy(Counted):
    """Has no second reply to some problems."""

    def without(self, *problems):  # set by a method, so it is no setting of the agent
        self._lost = problems
        return self

    async def answer(self, conversation, sample=0):
        if conversation[0]["content"] in self._lost and len(conversation) > 1:
            raise NoReplyError("gone")
        return await super().answer(conversation, sample)


def test_a_missing_reply_is_asked_for_again_and_nothing_else(tmp_path):
    with pytest.warns(UnjudgedWarning):
        evaluate(Gappy().without("3 + 3", "5 + 5"), sums_env(), out=tmp_path)
    again = Gappy().without()
    report = evaluate(again, sums_env(), out=tmp_path)
    assert [len(c) for c in again.shown] == [3, 3]
    assert (report.metrics.unjudged, report.reused) == (0, 5)
    assert len(read_episodes(tmp_path / "episodes.jsonl")) == 7


def test_a_file_of_replies_that_a_crash_cut_short_is_read(tmp_path):
    evaluate(awaited, SelfCorrectEnv(SUMS), n=2, out=tmp_path)
    (tmp_path / "episodes.jsonl").write_text("")
    with (tmp_path / "replies.jsonl").open("a") as file:
        file.write('{"episode": 5, "att')
    report = evaluate(awaited, SelfCorrectEnv(SUMS), out=tmp_path)
    assert report.metrics.episodes == 7
