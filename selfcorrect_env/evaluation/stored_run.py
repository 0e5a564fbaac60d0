"""A folder with a stored evaluation: what it measures, its episodes and its replies."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from selfcorrect_env.errors import CheckpointError
from selfcorrect_env.evaluation.agents import AsyncFunctionAgent, FunctionAgent
from selfcorrect_env.evaluation.code_identity import code_of
from selfcorrect_env.evaluation.concurrent_play import FinishedEpisodes, Replies, ReplyKey
from selfcorrect_env.evaluation.episode_files import EpisodeLog, replacing
from selfcorrect_env.evaluation.reply_log import REPLIES_FILE, ReplyLog
from selfcorrect_env.evaluation.report import EPISODES_FILE, Measured
from selfcorrect_env.types import Agent, Episode
from selfcorrect_env.unwrapping import unwrap

RUN_FILE = "run.json"
"""The file that says what a folder's run measures; it is written before the first episode."""

_UNLESS_WRITTEN: Mapping[str, Any] = {"samples": 1}
"""What a run file without these names means."""
_UNWRITTEN = tuple(_UNLESS_WRITTEN.items())


def identity(agent: Agent, env: Any, measured: Measured) -> dict[str, Any]:
    """Return what must be equal for stored episodes to count as those of this evaluation.

    Returns:
        JSON-able: the fields of ``measured``, the Python version, and the code of the agent, the
        verifier, the prompts and the environment (`selfcorrect_env.evaluation.code_identity`). An
        agent's ``fingerprint``, a str or a method that returns one, is part of it: a hash of a
        model's weights, say.
    """
    found = unwrap(env)
    inner = found.env
    player = agent.function if isinstance(agent, FunctionAgent | AsyncFunctionAgent) else agent
    fingerprint = getattr(agent, "fingerprint", None)
    return json.loads(
        json.dumps(
            {
                **{k: v for k, v in asdict(measured).items() if (k, v) not in _UNWRITTEN},
                "agent_fingerprint": fingerprint() if callable(fingerprint) else fingerprint,
                "python": f"{sys.version_info.major}.{sys.version_info.minor}",
                "code": {
                    "agent": code_of(player),
                    "verifier": code_of(getattr(inner, "verifier", None)),
                    "prompts": code_of(getattr(inner, "prompts", None)),
                    "environment": _codes([*found.changing_episodes, type(inner)]),
                },
            },
            default=str,
        )
    )


class StoredRun:
    """The finished episodes and the replies of a folder, and the logs that more are written to.

    Args:
        folder: made if it does not exist.
        ours: the `identity` of the evaluation.
        total: number of episodes of the evaluation.

    Raises:
        CheckpointError: the folder holds another evaluation, of which the message names what
            differs, or more than ``total`` episodes; or it cannot be made or written.
    """

    def __init__(self, folder: Path, ours: Mapping[str, Any], total: int) -> None:
        self._log = _open(folder, ours)
        last = max(self._log.numbers, default=-1)
        if last >= total:
            self.close()
            raise CheckpointError(
                f"{self._log.path} is of an evaluation of {last + 1} episodes or more, and {total} "
                "are asked for. Ask for as many, or give another folder."
            )
        finished = dict(zip(self._log.numbers, self._log.kept, strict=True))
        self.episodes: dict[int, Episode] = {
            number: episode
            for number, episode in finished.items()
            if all(attempt.answered for attempt in episode.attempts)
        }
        """The finished episodes by number, without those that lack a reply: they go on."""
        self._replies = ReplyLog(folder / REPLIES_FILE)
        self.replies: dict[ReplyKey, str] = dict(self._replies.kept)
        """Every reply that was logged."""

    def add_episodes(self, finished: FinishedEpisodes) -> None:
        """Write finished episodes."""
        self._log.append([e for _, e in finished], [number for number, _ in finished])

    def add_replies(self, replies: Replies) -> None:
        """Write replies."""
        self._replies.append(replies)

    def close(self) -> None:
        """Close the files."""
        self._log.close()


def _open(folder: Path, ours: Mapping[str, Any]) -> EpisodeLog:
    """Open the log of a folder's episodes, new or of the same evaluation."""
    run_file = folder / RUN_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if run_file.exists():
            _require_same(folder, _read(run_file), ours)
        elif (folder / EPISODES_FILE).exists():
            raise CheckpointError(
                f"{folder} holds an {EPISODES_FILE} but no {RUN_FILE}, so it cannot be resumed. "
                "Give another folder."
            )
        else:
            with replacing(run_file) as temporary:
                temporary.write_text(json.dumps(ours, indent=2) + "\n", encoding="utf-8")
        return EpisodeLog(folder / EPISODES_FILE)
    except OSError as error:
        raise CheckpointError(f"{folder} cannot hold results: {error}") from error


def _codes(things: list[object]) -> dict[str, str]:
    parts: dict[str, str] = {}
    for thing in things:
        parts |= code_of(thing)
    return parts


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise CheckpointError(f"{path}: not valid JSON ({error}).") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path}: expected a JSON object, got a {type(found).__name__}.")
    return found


def _require_same(folder: Path, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    difference = _first_difference(theirs, ours)
    if difference is not None:
        raise CheckpointError(
            f"{folder} holds another evaluation ({difference}). Give another folder, or delete it."
        )


def _first_difference(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str | None:
    """Name one thing that differs, in one short line."""
    theirs, ours = ({**_UNLESS_WRITTEN, **one} for one in (theirs, ours))
    for key in sorted(ours, key=lambda key: (key == "code", key == "size")):
        if ours[key] == theirs.get(key):
            continue
        if key == "code":
            return _code_difference(theirs.get(key) or {}, ours[key])
        before, now, name = theirs.get(key), ours[key], key
        if isinstance(before, dict) and isinstance(now, dict):
            part = next(k for k in {**now, **before} if now.get(k) != before.get(k))
            before, now, name = before.get(part), now.get(part), f"{key}.{part}"
        return f"{name}: {before!r:.60}, now {now!r:.60}"
    return None


def _code_difference(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    for role, parts in ours.items():
        before = theirs.get(role) or {}
        if before == parts:
            continue
        changed = [name for name in {**parts, **before} if parts.get(name) != before.get(name)]
        return f"the code of the {role} has changed: {changed[0]}"
    return "its code has changed"
