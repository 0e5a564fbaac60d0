"""The taskset and the environment of verifiers, against a local server and its own command line.

Runs in the environment of the peer: see ``test_peers.py``.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from doors import user_lines
from stand_in_server import StandInServer, choice

from selfcorrect_env import Prompts, SelfCorrectEnv, UnsupportedEnvError

vf = pytest.importorskip("verifiers.v1")

PAGE = Path(__file__).parents[2] / "docs" / "trainers" / "verifiers.md"
LIMIT = 15
"""The user's own lines of code on the page are fewer."""
SENTINEL = "kept-from-the-model-41"
PROMPTS = Prompts("own", attempt="Q: {prompt}\n", correction="  Sure?\n", system=" Be brief. ")
PROBLEMS = [
    {"id": "one", "prompt": "1 + 2", "reference": "3"},
    {"id": "kept", "prompt": "?", "reference": SENTINEL, "solution": SENTINEL},
    {"id": "repair", "prompt": "2 + 2", "reference": "4", "first_attempt": " 5 \n"},
]


def judge(problem: Any, response: str) -> float:
    if "away" in response:
        raise RuntimeError("the judge is away")
    return response.strip() == problem.reference


class OwnStep(SelfCorrectEnv):
    def step(self, action: str) -> Any:
        return super().step(action.upper())


def register(id: str, entry_point: Any = SelfCorrectEnv, **options: Any) -> None:
    if id not in gym.registry:
        arguments = {"problems": PROBLEMS, "verifier": judge, "prompts": PROMPTS} | options
        gym.register(id, entry_point=entry_point, kwargs=arguments)


register("Own-v0")
register("OwnStep-v0", OwnStep)


def environment(id: str = "Own-v0", **options: Any) -> Any:
    """The environment as `vf-eval` makes it, from the options under ``env``."""
    agent = options.pop("agent", {})
    task = {"env": id, **options}
    return vf.load_environment(
        vf.resolve_env_config({"taskset": {"id": "selfcorrect-vf", "task": task}, "agent": agent})
    )


def play(server: StandInServer, env: Any) -> dict[str, Any]:
    """Play every task; returns the episodes by the problem's id."""
    client = vf.EvalClientConfig(base_url=server.url, api_key_var="OPENAI_API_KEY")
    model = vf.ModelContext(model="m", client=client)

    async def run() -> dict[str, Any]:
        async with env.serving():
            return {task.data.id: await env.run_episode(task, model) for task in env.taskset}

    return asyncio.run(run())


def turn(messages: list[dict[str, Any]]) -> int:
    """The number of the attempt that is asked for, from 1; a given one does not count."""
    return sum(m["role"] == "assistant" and m["content"] != " 5 \n" for m in messages) + 1


# -- the conversation ------------------------------------------------------------------------------
def test_the_model_reads_the_environments_own_messages() -> None:
    """Both requests hold, character for character, what `SelfCorrectEnv` shows."""
    env = SelfCorrectEnv(PROBLEMS, verifier=judge, prompts=PROMPTS)
    replies = {1: "\n the first,  with spaces \n", 2: "4"}
    with StandInServer(lambda messages: replies[turn(messages)]) as server:
        play(server, environment())
    expected = []
    for index in range(len(PROBLEMS)):
        conversation, _ = env.reset(options={"index": index})
        expected += [list(conversation), list(env.step(replies[1])[0])]
    assert [request["messages"] for request in server.requests] == expected


def test_an_empty_reply_is_an_attempt() -> None:
    with StandInServer(lambda messages: "" if turn(messages) == 1 else "3") as server:
        episode = play(server, environment())["one"]
    assert episode.traces[0].info["turn_rewards"] == [0.0, 1.0]
    assert server.requests[1]["messages"][2]["content"] == ""


def test_nothing_of_the_reference_is_sent_or_depends_on_it() -> None:
    sent = {}
    for reply in (SENTINEL, "wrong"):
        with StandInServer(lambda messages, reply=reply: reply) as server:
            episode = play(server, environment())["kept"]
        own = [
            [m for m in request["messages"] if m["role"] != "assistant"]
            for request in server.requests
        ]
        assert SENTINEL not in json.dumps(own)
        assert SENTINEL not in episode.task.data.model_dump_json()
        sent[reply] = own
    assert sent[SENTINEL] == sent["wrong"]


# -- scores ----------------------------------------------------------------------------------------
def test_rewards_of_each_turn_are_in_the_trace() -> None:
    with StandInServer(lambda messages: "5" if turn(messages) == 1 else "3") as server:
        (trace,) = play(server, environment(alpha=10.0))["one"].traces
    assert trace.ok
    assert trace.info["turn_rewards"] == [0.0, 1.0]
    assert [verdict["reason"] for verdict in trace.info["verdicts"]] == ["wrong", "correct"]
    assert {name: part.value for name, part in trace.rewards.items()} == {
        "last_attempt": 1.0,
        "progress_bonus": 10.0,
    }
    assert trace.metrics == {
        "correct_t1": 0.0,
        "correct_t2": 1.0,
        "i_to_c": 1.0,
        "c_to_i": 0.0,
        "cut_off_t1": 0.0,
        "cut_off_t2": 0.0,
    }


def test_three_attempts_and_a_reply_that_was_cut_off() -> None:
    def answer(messages: list[dict[str, Any]]) -> dict[str, Any]:
        return {"choices": [choice("3", "length" if turn(messages) == 2 else "stop")]}

    with StandInServer(answer) as server:
        (trace,) = play(server, environment(options={"attempts": 3}))["one"].traces
    assert trace.info["turn_rewards"] == [1.0, 1.0, 1.0]
    assert [trace.metrics[f"cut_off_t{n}"] for n in (1, 2, 3)] == [0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("reply", "agent", "fault", "message"),
    [
        ("the judge is away", {}, "", "Attempt 1 was not judged.*judge is away"),
        ("3", {"max_turns": 1}, "", r"ended after 1 of 2 attempts \(max_turns\)"),
        ("3", {}, "400", "upstream 400"),
        ("3", {}, "garbage", "malformed upstream response"),
    ],
)
def test_what_was_not_judged_is_an_error_and_no_zero(
    reply: str, agent: dict[str, Any], fault: str, message: str
) -> None:
    """The second request fails, and every later one."""
    with StandInServer(lambda _: reply, fault=lambda number: fault if number else "") as server:
        episode = play(server, environment(agent=agent))["one"]
    (trace,) = episode.traces
    assert not episode.ok
    assert re.search(message, trace.errors[-1].message)
    assert all(part is None for part in trace.rewards.values())
    assert "turn_rewards" not in trace.info


def test_a_failure_that_passes_is_asked_again() -> None:
    faults = {0: "500", 1: "429", 3: "half"}
    with StandInServer(lambda messages: "3", fault=lambda number: faults.get(number, "")) as server:
        assert play(server, environment())["one"].ok
    one, *others = [json.dumps(request) for request in server.requests[:3]]
    assert others == [one, one]
    assert set(server.answered.values()) == {1}


# -- what is refused -------------------------------------------------------------------------------
def test_other_environments_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="Unknown environment 'SelfCorrect-Arithmetc-v0'"):
        environment("SelfCorrect-Arithmetc-v0")
    with pytest.raises(UnsupportedEnvError, match="'OwnStep-v0' has methods of an episode"):
        list(environment("OwnStep-v0").taskset)


# -- the command line and the page -----------------------------------------------------------------
def commands(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def run(words: list[str], server: StandInServer, folder: Path) -> str:
    bin = str(Path(sys.executable).parent)
    variables = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "none", "NO_COLOR": "1"}
    path = os.pathsep.join([bin, os.environ["PATH"]])
    without = {name: value for name, value in os.environ.items() if "PRIME" not in name}
    done = subprocess.run(
        words,
        cwd=folder,
        env={**without, **variables, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_pages_command_runs_without_an_account(tmp_path: Path) -> None:
    """Local alone: no `uv`, no key, nothing uploaded."""
    command = next(block for block in commands("bash") if "vf-eval" in block)
    with StandInServer(lambda messages: str(turn(messages))) as server:
        run(["bash", "-euc", command], server, tmp_path)
    (traces,) = tmp_path.rglob("traces.jsonl")
    episodes = [json.loads(line) for line in traces.read_text(encoding="utf-8").splitlines()]
    assert len(episodes) == 5
    for episode in episodes:
        (trace,) = episode["traces"]
        assert episode["ok"]
        assert [v["answer"] for v in trace["info"]["verdicts"]] == ["1", "2"]
        assert trace["agent"]["runtime"]["type"] == "subprocess"
    assert len(server.requests) == 10


def test_the_pages_code_runs_and_is_short(tmp_path: Path) -> None:
    code = commands("python")[0]
    assert (user_lines(PAGE, "A complete run") or LIMIT) < LIMIT
    (tmp_path / "block.py").write_text(code, encoding="utf-8")
    with StandInServer(lambda messages: str(turn(messages))) as server:
        printed = run([sys.executable, "block.py"], server, tmp_path)
    assert re.fullmatch(r"(True \[[01]\.0, [01]\.0\]\n){5}", printed)
