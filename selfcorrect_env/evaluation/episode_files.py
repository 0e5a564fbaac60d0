"""Episodes as rows of a file: JSON Lines and Parquet, as ``datasets.load_dataset`` reads them.

One row is one episode:

    problem_id, prompt, reference   the problem
    metadata                        its metadata, as JSON text
    messages                        the conversation: a list of {"role", "content"}
    replies, scores, reasons,       one value for each attempt, in order
    answers, details, tokens,
    truncated
    transition                      "i->c" …, or None where an attempt could not be judged
    judged                          whether every attempt was judged
    verifications                   for each attempt whether it verifies the one before and is no
                                    answer; only in rows with such an attempt
    exact                           "" for ordinary text; else see below

A log of an evaluation in progress also has ``episode``, the episode's number in it: episodes are
written as they finish.

Lone surrogates are legal in a Python string and in a reply, but neither Arrow's JSON reader nor
Parquet takes them. In a row with such text each of them is shown as U+FFFD, and ``exact`` holds
the whole row as JSON text with every character as it was. `from_row` reads it back.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias, cast

from selfcorrect_env.errors import CheckpointError
from selfcorrect_env.types import Attempt, Episode, Message, Problem, Reason, Verdict

EpisodeRow: TypeAlias = dict[str, Any]

_SURROGATE = re.compile("[\ud800-\udfff]")
_PER_ATTEMPT = ("replies", "scores", "reasons", "answers", "details", "tokens", "truncated")


def to_row(episode: Episode) -> EpisodeRow:
    """Return the episode as a row (see the module's docstring).

    Metadata that JSON does not know (dates …) are written as text; tuples become lists.
    """
    problem, attempts = episode.problem, episode.attempts
    row: EpisodeRow = {
        "problem_id": problem.id,
        "prompt": problem.prompt,
        "reference": problem.reference,
        "metadata": json.dumps(dict(problem.metadata), default=str),
        "messages": [{"role": m["role"], "content": m["content"]} for m in episode.conversation],
        "replies": [str(attempt.reply) for attempt in attempts],
        "scores": [float(attempt.verdict.score) for attempt in attempts],
        "reasons": [attempt.verdict.reason.value for attempt in attempts],
        "answers": [attempt.verdict.answer for attempt in attempts],
        "details": [attempt.verdict.detail for attempt in attempts],
        "tokens": [attempt.tokens for attempt in attempts],
        "truncated": [attempt.truncated for attempt in attempts],
        "transition": None if episode.transition is None else episode.transition.value,
        "judged": episode.judged,
    }
    if any(attempt.verification for attempt in attempts):
        row["verifications"] = [attempt.verification for attempt in attempts]
    clean = _without_surrogates(row)
    return {**clean, "exact": "" if clean == row else json.dumps(row)}


def from_row(row: Mapping[str, Any]) -> Episode:
    """Return the episode that `to_row` made the row of.

    Raises:
        ValueError: a column is missing, or does not hold what `to_row` writes.
    """
    try:
        if row.get("exact"):
            row = json.loads(row["exact"])
        columns = [row[name] for name in _PER_ATTEMPT]
        columns.append(row.get("verifications") or [False] * len(columns[0]))
        attempts = tuple(_attempt(*values) for values in list(zip(*columns, strict=True)))
        if not attempts:
            raise ValueError("it holds no attempt")
        return Episode(
            problem=Problem(
                id=row["problem_id"],
                prompt=row["prompt"],
                reference=row["reference"],
                metadata=json.loads(row["metadata"]),
            ),
            attempts=attempts,
            conversation=tuple(
                Message(role=message["role"], content=message["content"])
                for message in row["messages"]
            ),
        )
    except KeyError as error:
        raise ValueError(f"column {error} is missing") from None
    except (TypeError, AttributeError) as error:
        raise ValueError(f"a column does not hold what an episode has: {error}") from None


def read_episodes(path: str | Path) -> list[Episode]:
    """Read the episodes of a ``.jsonl`` file that `write_episodes` or `EpisodeLog` wrote.

    Raises:
        CheckpointError: the file cannot be read, or a line of it is broken. The message names
            the file and the line.
    """
    return list(_read_numbered(Path(path)).values())


def write_episodes(path: str | Path, episodes: Iterable[Episode]) -> None:
    """Write a ``.jsonl`` file: all of it or, if anything fails, nothing of it."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for episode in episodes:
            file.write(json.dumps(to_row(episode)) + "\n")


def write_parquet(path: str | Path, episodes: Iterable[Episode]) -> None:
    """Write a Parquet file of the same rows, likewise all or nothing.

    Raises:
        ImportError: pyarrow is not installed (``pip install "selfcorrect-env[data]"``).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    text, texts = pa.string(), pa.list_(pa.string())
    kinds = dict.fromkeys(["problem_id", "prompt", "reference", "metadata"], text)
    kinds["messages"] = pa.list_(pa.struct({"role": text, "content": text}))
    kinds |= dict.fromkeys(["replies", "reasons", "answers", "details"], texts)
    kinds |= {"scores": pa.list_(pa.float64()), "tokens": pa.list_(pa.int64())}
    kinds |= {"truncated": pa.list_(pa.bool_()), "transition": text}
    kinds |= {"judged": pa.bool_(), "exact": text}
    rows = [to_row(episode) for episode in episodes]
    if any("verifications" in row for row in rows):
        kinds["verifications"] = pa.list_(pa.bool_())
    with replacing(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(kinds)), temporary)


class EpisodeLog:
    """An append-only ``.jsonl`` file of finished episodes, for runs that may be interrupted.

    The episodes are on the disk when `append` returns. An existing file is continued after its
    last complete line; a last line that a crash cut short is dropped.

    Args:
        path: the file, in an existing folder; it is created if it does not exist.

    Raises:
        CheckpointError: the file cannot be read, or a complete line of it is broken.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.kept: list[Episode] = []
        """The episodes that the file held when it was opened."""
        self.numbers: list[int] = []
        """The number of each of them: the one it was written with, else its place in the file."""
        if self.path.exists():
            drop_cut_line(self.path)
            numbered = _read_numbered(self.path)
            self.numbers, self.kept = list(numbered), list(numbered.values())
        self._file = self.path.open("a", encoding="utf-8")

    def append(self, episodes: Iterable[Episode], numbers: Iterable[int] | None = None) -> None:
        """Write the episodes, with their numbers if given, and wait until they are on the disk."""
        if numbers is None:
            rows = (to_row(episode) for episode in episodes)
        else:
            pairs = zip(numbers, episodes, strict=True)
            rows = ({"episode": number, **to_row(episode)} for number, episode in pairs)
        self._file.writelines(json.dumps(row) + "\n" for row in rows)
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; closing twice does nothing."""
        self._file.close()

    def __enter__(self) -> EpisodeLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def drop_cut_line(path: Path) -> None:
    """Remove the last line of a file if a crash has cut it short."""
    with path.open("rb+") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``, and move it there once the block has succeeded."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _attempt(
    reply: str,
    score: float,
    reason: str,
    answer: str | None,
    detail: str,
    tokens: int | None,
    truncated: bool | None,
    verification: bool,
) -> Attempt:
    if reason == "wrong" and isinstance(score, float) and 0.0 < score < 1.0:
        reason = "partial credit"  # the name that older files did not have
    verdict = Verdict(score, cast(Reason, reason), answer, detail)  # it checks both
    return Attempt(
        reply=reply,
        verdict=verdict,
        tokens=tokens,
        truncated=truncated,
        verification=verification,
    )


def _read_numbered(path: Path) -> dict[int, Episode]:
    """Read a file's episodes by number; without one it is the place in the file, from 0.

    An episode that was played again has several lines, of which the last counts.

    Raises:
        CheckpointError: the file cannot be read, or a line of it is broken.
    """
    found: dict[int, Episode] = {}
    try:
        with path.open("rb") as lines:
            for place, line in enumerate(filter(bytes.strip, lines)):
                number, episode = _parse(path, place + 1, line)
                found[place if number is None else number] = episode
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error
    return found


def _parse(path: Path, line_number: int, line: bytes) -> tuple[int | None, Episode]:
    try:
        row = json.loads(line)
        number = row.get("episode") if isinstance(row, dict) else None
        if not (number is None or type(number) is int):
            raise ValueError(f"episode must be an int, got {number!r:.60}")
        return number, from_row(row)
    except (ValueError, RecursionError) as error:  # also bad JSON and bad UTF-8
        raise CheckpointError(f"{path}, line {line_number}: not an episode: {error}") from error


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {key: _without_surrogates(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(inner) for inner in value]
    return value
