"""``selfcorrect play ID``: play the attempts at one problem in the terminal."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, Any

import gymnasium as gym
import tyro
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from selfcorrect_env.cli.options import EnvOptions, make_env, parse
from selfcorrect_env.errors import UsageError
from selfcorrect_env.rendering import TRANSITIONS
from selfcorrect_env.types import Conversation, Episode

ABOUT = """\
Play the two attempts at one problem yourself. The verdicts are shown after the last attempt.
A reply may have several lines; an empty line ends it.

Examples:
  selfcorrect play SelfCorrect-Arithmetic-v0
  selfcorrect play SelfCorrect-MATH-v0 --problems procedural --seed 3
  selfcorrect play SelfCorrect-GSM8K-v0 --path gsm8k_test.jsonl --index 7"""

STYLES = {"system": "magenta", "user": "cyan", "assistant": "green"}


@dataclass(frozen=True, kw_only=True)
class PlayOptions(EnvOptions):
    """Which environment and which of its problems."""

    id: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ID")]
    """The environment's id, such as SelfCorrect-Arithmetic-v0."""
    index: int | None = None
    """The problem's index, from 0; by default a problem is drawn at random."""
    seed: int | None = None
    """Seed of the random problem."""


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    options = parse(PlayOptions, argv, prog="selfcorrect play", about=ABOUT)
    env, console = make_env(options.id, options), Console()
    try:
        episode = _play(env, options, console)
    finally:
        env.close()
    if episode is None:
        console.print(Text("\nStopped before the last attempt.", style="dim"))
    else:
        _show_outcome(episode, console)
    return 0


def _play(env: Any, options: PlayOptions, console: Console) -> Episode | None:
    """Play one episode; None if the input ends before its last reply."""
    chosen = None if options.index is None else {"index": options.index}
    try:
        conversation, info = env.reset(seed=options.seed, options=chosen)
    except (gym.error.Error, IndexError) as error:  # a seed or an index that there is not
        raise UsageError(str(error)) from error
    shown, over = 0, False
    while not over:
        _show_messages(conversation[shown:], console)
        reply = _read_reply(console)
        if reply is None:
            return None
        shown = len(conversation) + 1  # our own reply needs no repeating
        conversation, _, terminated, truncated, info = env.step(reply)
        over = terminated or truncated
    return info["finished"]


def _read_reply(console: Console) -> str | None:
    """Read lines up to an empty one or the end of the input; None if there is no line."""
    console.print(Text("Your reply (an empty line ends it):", style="dim"))
    lines: list[str] = []
    for line in sys.stdin:
        if not line.strip():
            return "\n".join(lines)
        lines.append(line.rstrip("\n"))
    return "\n".join(lines) if lines else None


def _show_messages(messages: Conversation, console: Console) -> None:
    for message in messages:
        role = message["role"]
        style = STYLES.get(role, "white")
        console.print(
            Panel(Text(message["content"]), title=Text(role), title_align="left", style=style)
        )


def _show_outcome(episode: Episode, console: Console) -> None:
    for number, attempt in enumerate(episode.attempts, start=1):
        verdict = attempt.verdict
        style = "bold green" if verdict.correct else "bold red"
        line = Text.assemble(f"Attempt {number}: ", (verdict.reason.value, style))
        if verdict.answer is not None:
            line.append(f", read as {verdict.answer!r}")
        if verdict.detail:
            line.append(f" ({verdict.detail})")
        console.print(line)
    console.print(Text(f"Reference: {episode.problem.reference}"))
    if len(episode.attempts) > 1:
        console.print(Text(f"Transition: {TRANSITIONS[episode.transition]}"))
