"""What does our environment cost inside other trainers? A row for each of them.

    python benchmarks/doors.py                      # every door; those not installed are named
    python benchmarks/doors.py --only skyrl --episodes 500

A row has the release that was measured, the lines of the user's own code (the code of the block
under "A complete run" on its page, without blank lines and comments), and episodes a second on one
thread: two attempts each at a problem of SelfCorrect-Arithmetic-v0, with fixed replies, so that no
model is measured. A peer that is not installed beside us runs in its own environment
(scripts/peer_environments.py PEER).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import peer_environments  # noqa: E402

ID = "SelfCorrect-Arithmetic-v0"
REPLIES = ("3", "8818")
"""The two replies of every episode."""


def gymnasium_door(episodes: int) -> float:
    """Play through ``gym.make``; returns episodes a second."""
    import gymnasium as gym

    import selfcorrect_env  # noqa: F401 - registers the ids

    env = gym.make(ID)

    def play(index: int) -> None:
        env.reset(options={"index": index})
        for reply in REPLIES:
            env.step(reply)

    return rate(play, episodes)


def skyrl_door(episodes: int) -> float:
    """Make an environment for each episode, as SkyRL's generator does, and play it."""
    import skyrl_gym

    from selfcorrect_env.serving.skyrl import register, rows

    register()
    table = rows(ID, n=1000)

    def make(index: int) -> Any:
        row = table[index % len(table)]
        return skyrl_gym.make(row["env_class"], env_config={}, extras=row)

    def play(index: int) -> None:
        env = make(index)
        env.init(table[index % len(table)]["prompt"])
        for reply in REPLIES:
            env.step(reply)

    say(f"making one environment takes {1e3 / rate(make, episodes):.3f} ms")
    return rate(play, episodes)


def openenv_door(episodes: int) -> float:
    """Play over one WebSocket session of a server in a process of its own."""
    from selfcorrect_env.serving.openenv import SelfCorrectClient

    command = [str(Path(sys.executable).with_name("selfcorrect")), "serve", "--env", ID]
    with subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        line = next(line for line in server.stdout if line.startswith("Serving "))
        try:
            with SelfCorrectClient(base_url=line.split()[-1]).sync() as client:

                def play(index: int) -> None:
                    client.reset(index=index)
                    for reply in REPLIES:
                        client.step(reply)

                return rate(play, episodes)
        finally:
            server.terminate()


def verifiers_door(episodes: int) -> float:
    """Play as ``vf-eval`` does, 16 episodes at a time, with a local server that only replies.

    Two requests an episode go through verifiers' own proxy; their cost is included.
    """
    import asyncio

    import verifiers.v1 as vf
    from stand_in_server import StandInServer

    task = {"env": ID}
    config = vf.resolve_env_config({"taskset": {"id": "selfcorrect-vf", "task": task}})
    env = vf.load_environment(config)
    tasks = list(env.taskset.take(episodes))

    async def run(url: str) -> float:
        client = vf.EvalClientConfig(base_url=url, api_key_var="OPENAI_API_KEY")
        model, together = vf.ModelContext(model="m", client=client), asyncio.Semaphore(16)
        async with env.serving():
            await env.run_episode(tasks[0], model)
            start = time.perf_counter()
            slots = [slot for task in tasks for slot in env.slots(task)]
            played = await asyncio.gather(*(env.run_slot(s, model, together) for s in slots))
            spent = time.perf_counter() - start
        assert all(episode.ok for episode in played)
        return episodes / spent

    def reply(messages: list[dict[str, Any]]) -> str:
        return REPLIES[sum(message["role"] == "assistant" for message in messages)]

    with StandInServer(reply) as server:
        return asyncio.run(run(server.url))


def stable_baselines3_door(episodes: int) -> float:
    """Play token by token in a `DummyVecEnv` of eight, with the tokenizer of a tiny model.

    An episode is the two replies of `REPLIES`, here with a token for each of their characters.
    """
    import numpy as np
    from stable_baselines3.common.vec_env import DummyVecEnv

    from selfcorrect_agents.lm.chat import Chat
    from selfcorrect_agents.lm.tiny import build_tokenizer
    from selfcorrect_env import SelfCorrectEnv, TokenLevel, longest_episode

    chat, inner = Chat(build_tokenizer()), SelfCorrectEnv("arithmetic")
    ids = [chat.tokenizer.convert_tokens_to_ids(list(reply)) for reply in REPLIES]
    tokens = [token for reply in ids for token in (*reply, min(chat.eos_ids))]
    length = longest_episode(inner, chat, 8)

    def make() -> TokenLevel:
        return TokenLevel(inner.copy(), chat, max_new_tokens=8, context_length=length)

    envs = DummyVecEnv([make] * 8)
    envs.reset()

    def play(index: int) -> None:
        for token in tokens:
            _, _, ended, infos = envs.step(np.full(8, token))
        assert ended.all()
        assert [attempt.reply for attempt in infos[0]["finished"].attempts] == list(REPLIES)

    return 8 * rate(play, max(1, episodes // 8))


def trl_door(episodes: int) -> float:
    """Play through the rollout function that TRL calls, 8 samples of each of 8 problems a call."""
    from types import SimpleNamespace as Fixed

    from selfcorrect_agents.adapters.trl import EpisodeRollouts
    from selfcorrect_agents.adapters.trl.sampling import EngineSampler
    from selfcorrect_agents.lm.player import Player

    chat, ends, turns = tiny_chat()

    def generate(prompts: list[Any], *_: Any) -> Any:
        reply = next(turns)
        return [reply] * len(prompts), [[0.0] * len(reply)] * len(prompts)

    trainer = Fixed(
        max_completion_length=16,
        temperature=1.0,
        args=Fixed(seed=0),
        state=Fixed(global_step=0),
        accelerator=Fixed(device="cpu"),
        _generate_single_turn=generate,
    )
    rollouts = EpisodeRollouts(ID, player=Player(chat, EngineSampler(trainer, ends)))
    shown = [row["prompt"] for row in rollouts.dataset().select(range(8)) for _ in range(8)]
    calls = max(1, episodes // len(shown))
    return len(shown) * rate(lambda _: rollouts(shown, trainer), calls)


def tinker_door(episodes: int) -> float:
    """Play 64 episodes a call and make the service's data of them; no service is asked."""
    from types import SimpleNamespace as Fixed

    import torch
    from tinker import types

    from selfcorrect_agents import collect
    from selfcorrect_agents.adapters.tinker import TinkerSampler
    from selfcorrect_agents.adapters.tinker.learner import data
    from selfcorrect_agents.lm.player import Player
    from selfcorrect_env import training_env

    chat, ends, turns = tiny_chat()
    first, second = next(turns), next(turns)

    def sample(prompt: Any, num_samples: int, sampling_params: Any) -> Any:
        reply = first if num_samples > 1 else second
        one = types.SampledSequence(
            "stop", "", _tokens_list=reply, _logprobs_list=[0.0] * len(reply)
        )
        return Fixed(result=lambda: types.SampleResponse(sequences=[one] * num_samples))

    env = training_env(ID)
    vectorised, client = env.vectorised(64), Fixed(sample=sample)

    def play(_: int) -> None:
        player = Player(chat, TinkerSampler(client, ends))  # type: ignore[arg-type]
        rollout = collect(player, vectorised, range(8), samples=8, max_new_tokens=16)
        data(rollout, torch.ones_like(rollout.scores))

    return 64 * rate(play, max(1, episodes // 64))


def tiny_chat() -> tuple[Any, Any, Any]:
    """Return a tiny model's chat template, its ends, and the ids of `REPLIES` in turn, forever."""
    from itertools import cycle

    from selfcorrect_agents.lm.chat import Chat
    from selfcorrect_agents.lm.tiny import build_tokenizer
    from selfcorrect_agents.lm.turns import TurnEnds

    chat = Chat(build_tokenizer())
    ends = TurnEnds(chat.pad_id, chat.eos_ids, chat.turn_end)
    return chat, ends, cycle([chat.reply_ids(reply) for reply in REPLIES])


def say(note: str) -> None:
    """Print a note, which is shown under the table."""
    print(json.dumps({"note": note}))


def rate(play: Callable[[int], Any], episodes: int) -> float:
    """Return calls a second of ``play(index)``: the best of three rounds, after one call."""
    play(0)
    best = 0.0
    for _ in range(3):
        start = time.perf_counter()
        for index in range(episodes):
            play(index)
        best = max(best, episodes / (time.perf_counter() - start))
    return best


@dataclass(frozen=True)
class Door:
    """A trainer that plays our episodes."""

    distribution: str
    """The package whose release is shown."""
    page: str
    """The page, under the repository's root, that has the user's code."""
    measure: Callable[[int], float]
    """Plays this number of episodes and returns how many there were in a second."""
    heading: str = "A complete run"
    """The section of the page whose first Python block is counted."""


DOORS = {
    "gymnasium": Door("gymnasium", "docs/trainers/gymnasium.md", gymnasium_door),
    "openenv": Door("openenv", "docs/trainers/openenv.md", openenv_door),
    "skyrl": Door("skyrl-gym", "docs/trainers/skyrl.md", skyrl_door),
    "stable-baselines3": Door(
        "stable-baselines3", "docs/trainers/stable-baselines3.md", stable_baselines3_door
    ),
    "verifiers": Door("verifiers", "docs/trainers/verifiers.md", verifiers_door),
    "trl": Door("trl", "docs/trainers/trl.md", trl_door),
    "tinker": Door("tinker", "docs/trainers/tinker.md", tinker_door),
}
"""The doors by name; a peer with its own environment has the same name there."""


def user_lines(page: Path, heading: str) -> int | None:
    """Count the lines of code of the first Python block under ``heading``; None without one.

    Blank lines and comments do not count.
    """
    _, found, rest = page.read_text(encoding="utf-8").partition(f"## {heading}\n")
    section = rest.partition("\n## ")[0]
    _, fence, block = section.partition("```python\n")
    if not (found and fence):
        return None
    lines = [line.strip() for line in block.partition("```")[0].splitlines()]
    return sum(1 for line in lines if line and not line.startswith("#"))


def interpreter(name: str) -> str | None:
    """Return the Python that has the door's package: this one, or its peer environment's."""
    try:
        version(DOORS[name].distribution)
        return sys.executable
    except PackageNotFoundError:
        python = peer_environments.interpreter(name)
        return str(python) if python.exists() else None


def row(name: str, episodes: int) -> tuple[str, list[str]]:
    """Measure one door in a process of its own; returns its row of the table and its notes."""
    lines = user_lines(ROOT / DOORS[name].page, DOORS[name].heading)
    python = interpreter(name)
    if python is None:
        absent = f"not installed (python scripts/peer_environments.py {name})"
        return f"| {name} | {absent} | {lines or '–'} | – |", []
    words = [python, __file__, "--measure", name, "--episodes", str(episodes)]
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(
        words, env={**os.environ, **threads}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{name}: the measurement failed.\n{done.stderr}")
    *notes, measured = map(json.loads, done.stdout.splitlines())
    release = f"{DOORS[name].distribution} {measured['release']}"
    shown = f"| {name} | {release} | {lines or '–'} | {measured['rate']:,.0f} |"
    return shown, [f"{name}: {note['note']}" for note in notes]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=DOORS, default=list(DOORS))
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--measure", choices=DOORS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        door = DOORS[options.measure]
        measured = {"release": version(door.distribution), "rate": door.measure(options.episodes)}
        print(json.dumps(measured))
        return
    print("| door | release tested | lines of code | episodes a second |")
    print("| --- | --- | --- | --- |")
    notes: list[str] = []
    for name in options.only:
        shown, more = row(name, options.episodes)
        notes += more
        print(shown, flush=True)
    print("", *notes, sep="\n")


if __name__ == "__main__":
    main()
