"""The agent `openai` against a real HTTP server that behaves as servers do, well and badly."""

import asyncio
import itertools
import json
import sys
import threading
import time
from collections import Counter

import pytest
from stand_in_server import FAULTS, StandInServer, choice

from selfcorrect_agents import ServedConfig, ServedModel
from selfcorrect_agents.lm.template_config import TemplateConfig
from selfcorrect_agents.methods.served.retries import requested
from selfcorrect_env import (
    AgentError,
    CheckpointError,
    Reason,
    Report,
    SelfCorrectEnv,
    UnjudgedWarning,
    evaluate,
)
from selfcorrect_env.testing import check_agent

ROWS = [{"id": str(i), "prompt": f"{i} + {i}", "reference": str(2 * i)} for i in range(1, 25)]
ENV = SelfCorrectEnv(ROWS)

KEEP, DROP = TemplateConfig(thoughts="keep"), TemplateConfig(thoughts="drop")
SYSTEM = TemplateConfig(system="Be brief.")
ARGUMENTS = TemplateConfig(args=("enable_thinking=false",))


def second_thoughts(messages):
    asked = [message["content"] for message in messages if message["role"] == "user"]
    return "none" if len(asked) == 1 else str(2 * int(asked[0].split()[0]))


def served(server, **options):
    return ServedModel(ServedConfig(model="m", base_url=server.url, **options))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Waits between retries that suit a test."""
    monkeypatch.setattr("selfcorrect_agents.methods.served.retries.FIRST_WAIT", 0.01)
    monkeypatch.setattr("selfcorrect_agents.methods.served.retries.LONGEST_WAIT", 0.05)


def test_both_turns_are_asked_and_counted():
    with StandInServer(second_thoughts) as server:
        agent = served(server, max_new_tokens=9, input_price=1e6, output_price=2e6)
        report = evaluate(agent, ENV)
    assert report.metrics.delta_i_to_c.value == 1.0
    assert (report.agent, report.measured.decoding) == (
        "m",
        "greedy, at most 9 tokens, the server's penalties",
    )
    assert [a.tokens for a in report.episodes[0].attempts] == [1, 1]
    assert [a.truncated for a in report.episodes[0].attempts] == [False, False]
    sent = sum(len(m["content"].split()) for r in server.requests for m in r["messages"])
    usage = report.usage
    assert (usage.replies, usage.requests, usage.reply_tokens) == (48, 48, 48)
    assert (usage.prompt_tokens, usage.cost) == (sent, sent + 2 * 48)
    assert usage.finish_reasons == {"stop": 48}
    assert set(server.answered.values()) == {1}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_request_that_fails_is_made_again(fault):
    with StandInServer(second_thoughts, fault=lambda n: fault if n % 4 == 1 else "") as server:
        report = evaluate(served(server, timeout=0.5), ENV, n=8, concurrency=4)
    assert report.metrics.accuracy[-1].value == 1.0
    assert report.metrics.unjudged == 0
    assert set(server.answered.values()) == {1}
    assert len(server.answered) == 16
    assert report.usage.requests == len(server.requests) == 21


def test_a_request_that_fails_for_good_leaves_the_others_alone():
    def gappy(messages):
        lost = messages[0]["content"] == "3 + 3"
        return {"choices": None} if lost else second_thoughts(messages)

    with (
        StandInServer(gappy) as server,
        pytest.warns(UnjudgedWarning, match="4 requests failed, the last one"),
    ):
        report = evaluate(served(server, retries=3), ENV)
    assert report.metrics.unjudged == 1
    assert [a.verdict.reason for a in report.episodes[2].attempts] == [Reason.NO_REPLY] * 2


def test_a_request_that_the_server_refuses_is_not_made_again():
    with (
        StandInServer(second_thoughts, fault=lambda n: "400" if n == 3 else "") as server,
        pytest.warns(UnjudgedWarning, match="First cause: status 400: fault 400"),
    ):
        report = evaluate(served(server), ENV, concurrency=1)
    assert report.metrics.unjudged == 1
    assert len(server.requests) == 48


@pytest.mark.parametrize("fault", ["401", "404"])
def test_what_every_request_would_meet_stops_at_once(fault):
    with StandInServer(second_thoughts, fault=lambda n: fault) as server:
        with pytest.raises(AgentError, match=rf"'m' at http.*: status {fault}: fault {fault}"):
            evaluate(served(server), ENV, concurrency=1)
        assert len(server.requests) <= 2  # of the 24 problems


def test_an_option_that_the_server_refuses_stops_the_evaluation():
    with StandInServer(second_thoughts, fault=lambda n: "400") as server:
        expected = r"20 conversations in a row got no reply, the last one: status 400: fault 400"
        with pytest.raises(AgentError, match=expected):
            evaluate(served(server), ENV, concurrency=1)
    assert len(server.requests) <= 22


def test_a_server_that_goes_away_stops_the_evaluation_and_the_next_call_goes_on(tmp_path):
    dead = True
    many = [{"id": str(i), "prompt": f"{i} + {i}", "reference": str(2 * i)} for i in range(1, 61)]
    env = SelfCorrectEnv(many)
    with StandInServer(second_thoughts, fault=lambda n: "cut" if dead and n > 10 else "") as server:
        agent = served(server, retries=0)
        with pytest.raises(AgentError, match="20 conversations in a row got no reply"):
            evaluate(agent, env, concurrency=3, out=tmp_path)
        dead = False
        report = evaluate(agent, env, concurrency=3, out=tmp_path)
    assert (report.metrics.unjudged, report.usage.replies) == (0, 120)
    assert set(server.answered.values()) == {1}


def test_a_server_that_is_not_there_stops_the_evaluation():
    with StandInServer(second_thoughts) as server:
        agent = served(server, retries=2)
    with pytest.raises(AgentError, match="3 requests failed, the last one: "):
        evaluate(agent, ENV, concurrency=1)


def test_a_server_that_has_answered_nothing_is_said_once(capsys):
    with StandInServer(second_thoughts) as server:
        agent = served(server, retries=5)
    with pytest.raises(AgentError):
        evaluate(agent, ENV, concurrency=4)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"selfcorrect: warning: 'm' at {server.url} has answered nothing so far")
    assert "up to 3 more requests" in line


def test_a_server_that_has_answered_may_fail_without_a_warning(capsys):
    dead = range(10, 16)
    with StandInServer(second_thoughts, fault=lambda n: "503" if n in dead else "") as server:
        evaluate(served(server), ENV, concurrency=1)
    assert not capsys.readouterr().err


def test_a_server_that_dies_and_comes_back_loses_nothing():
    with StandInServer(second_thoughts, latency=0.05) as server:

        def die_and_come_back():
            while len(server.requests) < 12:
                time.sleep(0.01)
            server.stop()
            time.sleep(0.3)
            server.start()

        thread = threading.Thread(target=die_and_come_back)
        thread.start()
        report = evaluate(served(server, retries=50), ENV, concurrency=6)
        thread.join()
    assert (report.metrics.unjudged, report.metrics.accuracy[-1].value) == (0, 1.0)
    assert set(server.answered.values()) == {1}
    assert report.usage.requests > 48


def test_a_dead_server_leaves_the_rest_for_the_next_call(tmp_path):
    dead = True
    with StandInServer(second_thoughts, fault=lambda n: "cut" if dead and n > 10 else "") as server:
        agent = served(server, retries=0)
        with pytest.warns(UnjudgedWarning):
            first = evaluate(agent, ENV, concurrency=3, out=tmp_path)
        assert first.metrics.unjudged > 0
        assert sum(server.answered.values()) == 11
        dead = False
        second = evaluate(agent, ENV, concurrency=3, out=tmp_path)
    assert second.metrics.unjudged == 0
    assert second == Report.load(tmp_path)
    assert second.usage.replies == 48
    assert set(server.answered.values()) == {1}


# -- replies without text, reasoning -------------------------------------------------------------
@pytest.mark.parametrize("broken", [None, "a text", ["a list"], {"message": "a text"}])
def test_a_choice_that_is_none_is_asked_for_again(broken):
    asked = itertools.count()
    with StandInServer(
        lambda messages: {"choices": [broken if next(asked) % 2 else choice("4")]}
    ) as server:
        report = evaluate(served(server), ENV, n=2, concurrency=1)
    assert report.metrics.unjudged == 0
    assert {a.reply for e in report.episodes for a in e.attempts} == {"4"}
    assert report.usage.requests > report.usage.replies


@pytest.mark.parametrize(
    "usage",
    [
        [1],
        "12",
        {"completion_tokens": "12", "prompt_tokens": None},
        {"completion_tokens": 1.5, "completion_tokens_details": ["?"]},
        {"completion_tokens": -1, "completion_tokens_details": {"reasoning_tokens": "2"}},
    ],
)
def test_numbers_that_are_none_are_unknown(usage):
    fields = {"choices": [{**choice("4"), "finish_reason": 5}], "usage": usage}
    with StandInServer(lambda messages: fields) as server:
        report = evaluate(served(server), ENV, n=2)
    assert report.usage.reply_tokens is report.usage.prompt_tokens is None
    assert report.usage.reasoning_tokens is report.metrics.turns[0].tokens is None


def test_parts_without_text_add_none():
    parts = [{"type": "text", "text": None}, {"type": "thinking"}, {"type": "text", "text": "4"}]
    with StandInServer(lambda messages: {"choices": [choice(parts)]}) as server:
        report = evaluate(served(server), ENV, n=1)
    assert [a.reply for a in report.episodes[0].attempts] == ["4", "4"]


def test_a_reply_that_no_request_can_carry_is_judged_and_answered_to():
    """JSON can escape half of a surrogate pair, and UTF-8 can't hold it."""
    with StandInServer(lambda messages: "2 \ud83d") as server:
        report = evaluate(served(server, retries=0), ENV, n=1)
    assert [a.reply for a in report.episodes[0].attempts] == ["2 \ud83d"] * 2
    assert report.metrics.unjudged == 0
    assert server.requests[1]["messages"][1]["content"] == "2 \ufffd"


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"choices": []}, "no choices"),
        ({"choices": [choice(None)]}, "content is null (finish reason stop)"),
        ({"choices": [choice("", None)]}, "content is empty"),
        ({"choices": [choice(None, refusal="I can't")]}, "refused: I can't"),
        (
            {"choices": [choice(None, "length", reasoning_content="so 2")]},
            "content is null, there is reasoning only (finish reason length)",
        ),
    ],
)
def test_no_text_is_no_answer_and_says_why(fields, cause):
    with StandInServer(lambda messages: fields) as server:
        report = evaluate(served(server), ENV, n=2)
    assert report.metrics.unjudged == 0
    assert {a.verdict.reason for e in report.episodes for a in e.attempts} == {Reason.NO_ANSWER}
    assert report.usage.empty == {cause: 4}
    assert f"replies without text: {cause} 4" in " ".join(str(report).split())


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
@pytest.mark.parametrize("thoughts", ["keep", "drop"])
def test_reasoning_is_kept_apart_and_never_judged(tmp_path, field, thoughts):
    def thinks(messages):
        return {"choices": [choice("none", **{field: f"it is {messages[0]['content']}"})]}

    rows = [{"prompt": "7", "reference": "it is 7"}]
    with StandInServer(thinks) as server:
        agent = served(server, template={"keep": KEEP, "drop": DROP}[thoughts])
        report = evaluate(agent, SelfCorrectEnv(rows), out=tmp_path)
    assert report.metrics.accuracy[0].value == 0.0
    assert [m["content"] for m in report.episodes[0].conversation if m["role"] != "user"] == [
        "none",
        "none",
    ]
    kept = [json.loads(line) for line in (tmp_path / "replies.jsonl").read_text().splitlines()]
    assert [row["generation"]["reasoning"] for row in kept] == ["it is 7"] * 2
    sent = server.requests[1]["messages"][1]
    assert sent.get("reasoning_content") == ("it is 7" if thoughts == "keep" else None)


@pytest.mark.parametrize(("thoughts", "read"), [("keep", "<think>7?</think>6"), ("drop", "6")])
def test_thoughts_in_the_text_are_kept_or_dropped_in_later_turns(thoughts, read):
    with StandInServer(lambda messages: "<think>7?</think>6") as server:
        agent = served(server, template={"keep": KEEP, "drop": DROP}[thoughts])
        evaluate(agent, ENV, n=1)
    assert server.requests[1]["messages"][1] == {"role": "assistant", "content": read}


# -- what a request holds ------------------------------------------------------------------------
def test_samples_have_different_seeds_and_no_conversation_is_changed():
    with StandInServer(lambda messages: "none") as server:
        agent = served(server, seed=5, temperature=1.0, template=SYSTEM)
        report = evaluate(agent, ENV, n=3, samples=2)
        check_agent(agent)
    seeds = Counter(request["seed"] for request in server.requests[:12])
    assert seeds == {5: 6, 6: 6}
    assert report.samples.k == 2
    assert server.requests[0]["messages"][0] == {"role": "system", "content": "Be brief."}
    assert report.episodes[0].conversation[0]["role"] == "user"
    assert report.measured.decoding == (
        "T = 1, the server's token cap, system prompt 'Be brief.', "
        "the server's top-k, min-p and penalties"
    )


def test_every_option_is_in_the_request():
    config = ServedConfig(
        model="m",
        temperature=None,
        top_p=0.9,
        max_new_tokens=7,
        token_cap_name="max_completion_tokens",
        stop=("\n\n", "END"),
        reasoning_effort="low",
        extra_body='{"top_k": 20}',
        template=ARGUMENTS,
    )
    with StandInServer(second_thoughts) as server:
        agent = ServedModel(ServedConfig(**{**vars(config), "base_url": server.url}))
        agent.act([({"role": "user", "content": "1 + 1"},)])
    (request,) = server.requests
    del request["messages"]
    assert request == {
        "model": "m",
        "top_p": 0.9,
        "max_completion_tokens": 7,
        "stop": ["\n\n", "END"],
        "reasoning_effort": "low",
        "top_k": 20,
        "chat_template_kwargs": {"enable_thinking": False},
    }


@pytest.mark.parametrize(
    ("options", "sent", "described"),
    [
        ({}, {"temperature": 0.0}, "greedy, the server's token cap, the server's penalties"),
        (
            {"temperature": 1.0},
            {"temperature": 1.0, "top_p": 1.0},
            "T = 1, the server's token cap, the server's top-k, min-p and penalties",
        ),
        (
            {"temperature": 0.7, "extra_body": '{"top_k": -1, "min_p": 0}'},
            {"temperature": 0.7, "top_p": 1.0, "extra_body": {"top_k": -1, "min_p": 0}},
            "T = 0.7, the server's token cap, the server's penalties",
        ),
        (
            {"extra_body": '{"repetition_penalty": 1}'},
            {"temperature": 0.0, "extra_body": {"repetition_penalty": 1}},
            "greedy, the server's token cap",
        ),
        (
            {"temperature": None},
            {},
            "the server's temperature, the server's token cap, "
            "the server's top-k, min-p and penalties",
        ),
    ],
)
def test_what_is_left_to_the_server_is_named(options, sent, described):
    """T = 1 without top_p is another distribution on servers with a top_p of their own."""
    config = ServedConfig(model="m", **options)
    assert config.request(0) == {"model": "m", **sent}
    assert str(config) == described


def test_the_key_is_that_of_the_named_variable(monkeypatch):
    monkeypatch.setenv("MY_KEY", "secret-7")
    with StandInServer(second_thoughts) as server:
        evaluate(served(server, api_key_env="MY_KEY"), ENV, n=1)
    assert "bearer secret-7" in server.headers[0].lower()


def test_what_changes_no_reply_may_differ_when_a_run_resumes(tmp_path):
    with StandInServer(second_thoughts) as server:
        evaluate(served(server), ENV, n=2, out=tmp_path)
        other = served(server, timeout=9.0, retries=1, input_price=1.0, output_price=1.0)
        assert evaluate(other, ENV, n=3, out=tmp_path).reused == 2
        with pytest.raises(CheckpointError, match=r"decoding: .greedy.*now .T = 0\.5"):
            evaluate(served(server, temperature=0.5), ENV, n=3, out=tmp_path)
        with pytest.raises(CheckpointError, match="agent_fingerprint"):
            evaluate(served(server, stop=("END",)), ENV, n=3, out=tmp_path)


# -- what is tried again -------------------------------------------------------------------------
def error_of(status, headers=(), **body):
    import openai

    httpx = sys.modules[openai.APIStatusError.__init__.__annotations__["response"].split(".")[0]]
    request = httpx.Request("POST", "http://server")
    response = httpx.Response(status, headers=dict(headers), request=request)
    return openai.APIStatusError("refused", response=response, body=body)


@pytest.mark.parametrize(
    ("error", "requests", "general"),
    [
        (lambda: error_of(429), 3, True),
        (lambda: error_of(503), 3, True),
        (lambda: error_of(429, code="insufficient_quota"), 1, True),
        (lambda: error_of(413), 1, False),
        (lambda: error_of(403), 1, True),
        (lambda: ValueError("half of a body"), 3, True),
    ],
)
def test_only_what_may_pass_is_tried_again(error, requests, general):
    async def request():
        raise error()

    failure, tries = asyncio.run(requested(request, retries=2, timeout=1.0))
    assert (tries, failure.general) == (requests, general)


@pytest.mark.parametrize(("asked", "least"), [("0.2", 0.2), ("soon", 0.0), ("-1", 0.0)])
def test_the_wait_that_a_server_asks_for_is_followed(asked, least):
    calls = []

    async def request():
        calls.append(time.monotonic())
        if len(calls) < 2:
            raise error_of(429, [("Retry-After", asked)])
        return "reply"

    assert asyncio.run(requested(request, retries=2, timeout=1.0)) == ("reply", 2)
    assert calls[1] - calls[0] >= least
