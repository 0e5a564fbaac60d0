"""LiveCodeBench, code generation: contest problems by date (Jain et al., arXiv 2403.07974).

The columns of a row: ``question_id``, ``question_title``, ``question_content``, ``platform``,
``contest_id``, ``contest_date``, ``difficulty``, ``starter_code``; ``public_test_cases`` and
``private_test_cases``, JSON text with a list of ``{"input", "output", "testtype"}``, the latter
mostly packed (pickle, zlib, base64); ``metadata``, JSON text with ``func_name`` for problems of
LeetCode. The data set has no solutions. Licence: CC.
"""

from __future__ import annotations

import base64
import binascii
import io
import os
import pickle
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

from selfcorrect_env.errors import HubUnavailableError, ProblemSetError, UnknownProblemSetError
from selfcorrect_env.problems.code_rows import text_of
from selfcorrect_env.problems.files import given_file
from selfcorrect_env.problems.hub import hub_file
from selfcorrect_env.problems.located import unavailable
from selfcorrect_env.problems.problem_set import ProblemSet
from selfcorrect_env.problems.row_files import Row, read_rows
from selfcorrect_env.problems.splits import check_split
from selfcorrect_env.problems.stdio_rows import function_problem, parsed_json, stdio_problem
from selfcorrect_env.types import Problem

REPO = "livecodebench/code_generation_lite"
"""Repository id on the hub."""

VARIABLE = "SELFCORRECT_LIVECODEBENCH_PATH"
"""The environment variable for the path of its file."""

FILES = ("test.jsonl", "test2.jsonl", "test3.jsonl", "test4.jsonl", "test5.jsonl", "test6.jsonl")
"""The files of the repository; ``release_vN`` is the first N of them."""

RELEASES = {f"release_v{n}": FILES[:n] for n in range(1, len(FILES) + 1)}
"""Release -> its files."""

DIFFICULTIES = ("easy", "medium", "hard")
"""The difficulties of LiveCodeBench."""

LARGEST = 1 << 30
"""Maximum size in bytes of the unpacked test cases of a problem."""


def load(
    split: str = "test",
    *,
    path: str | os.PathLike[str] | None = None,
    release: str = "release_v6",
    difficulty: str | None = None,
    after: str | None = None,
    before: str | None = None,
    revision: str | None = None,
) -> ProblemSet:
    """Load LiveCodeBench's code generation problems.

    Args:
        split: ``"test"``, the only one.
        path: a file with the columns of the module docstring. Default:
            ``SELFCORRECT_LIVECODEBENCH_PATH``, then the hub (files of 0.1 to 1.3 GB).
        release: one of `RELEASES`, which says which files of the hub are read.
        difficulty: one of `DIFFICULTIES`; by default all.
        after: only contests of this day or later, such as ``"2024-08-01"``.
        before: only contests before this day.
        revision: a commit or tag of the repository on the hub, ``"main"`` for the newest; by
            default the commit in `selfcorrect_env.problems.hub.PINNED`.

    Problems of LeetCode are judged by calls of a function, the others by what a program prints for
    each input (verifier ``stdio``); public and private tests alike. The packed tests are read
    without running what a pickle could run. There are no solutions, so the reference is empty and
    `validate` can't try it.

    Raises:
        UnknownNameError: no such split or release.
        ProblemSetError: it is not available, a row is invalid, or no problem is left.
    """
    check_split("livecodebench", split, ("test",))
    if release not in RELEASES:
        raise UnknownProblemSetError.of("release of LiveCodeBench", release, RELEASES)
    if difficulty is not None and difficulty not in DIFFICULTIES:
        raise ProblemSetError(
            f"LiveCodeBench has no difficulty {difficulty!r}. It has {', '.join(DIFFICULTIES)}."
        )
    files = _files(path, release, revision)
    rows = chain.from_iterable(read_rows(file) for file in files)
    found = [_problem(*pair) for pair in rows if _fits(pair[1], difficulty, after, before)]
    if not found:
        raise ProblemSetError(f"{files[0]} contains no problem of LiveCodeBench that fits.")
    return ProblemSet(found, name=f"LiveCodeBench-{release}", split=split)


def _files(path: str | os.PathLike[str] | None, release: str, revision: str | None) -> list[Path]:
    file = given_file(path, VARIABLE, "test")
    if file is not None:
        return [file]
    try:
        return [hub_file(REPO, name, revision) for name in RELEASES[release]]
    except HubUnavailableError as error:
        raise unavailable("LiveCodeBench", REPO, VARIABLE, error) from error


def _fits(row: Row, difficulty: str | None, after: str | None, before: str | None) -> bool:
    date = str(row.get("contest_date") or "")[:10]
    return (
        difficulty in (None, row.get("difficulty"))
        and (after is None or date >= after)
        and (before is None or date < before)
    )


def _problem(where: str, row: Row) -> Problem:
    cases = [*_cases(where, row, "public_test_cases"), *_cases(where, row, "private_test_cases")]
    kept = ("platform", "difficulty", "question_title", "contest_id", "starter_code")
    shared = {
        "id": text_of(where, row, "question_id"),
        "prompt": text_of(where, row, "question_content"),
        "reference": "",
        "metadata": {
            **{key: row.get(key) for key in kept},
            "contest_date": str(row.get("contest_date") or ""),
        },
    }
    if any(case["testtype"] == "functional" for case in cases):
        details = parsed_json(where, "metadata", row.get("metadata") or "{}")
        name = details.get("func_name") if isinstance(details, dict) else None
        if not isinstance(name, str):
            raise ProblemSetError(f"{where}: its metadata name no 'func_name' to call.")
        return function_problem(
            **shared,
            function=name,
            starter=row.get("starter_code") or "",
            calls=[_call(where, case) for case in cases],
        )
    return stdio_problem(
        **shared,
        inputs=[case["input"] for case in cases],
        outputs=[case["output"] for case in cases],
    )


def _call(where: str, case: dict[str, str]) -> tuple[list[Any], list[Any]]:
    """Return the arguments of a call, one JSON value a line, and the result that is right."""
    lines = [line for line in case["input"].split("\n") if line.strip()]
    arguments = [parsed_json(where, "input", line) for line in lines]
    return arguments, [parsed_json(where, "output", case["output"])]


def _cases(where: str, row: Row, column: str) -> Iterator[dict[str, str]]:
    text = row.get(column) or "[]"
    if isinstance(text, str) and not text.lstrip().startswith("["):
        text = unpacked(where, column, text)
    cases = parsed_json(where, column, text)
    if not isinstance(cases, list):
        raise ProblemSetError(f"{where}: expected a list of test cases in the column {column!r}.")
    for case in cases:
        if not isinstance(case, dict) or not all(
            isinstance(case.get(key), str) for key in ("input", "output", "testtype")
        ):
            raise ProblemSetError(
                f"{where}: a test case in {column!r} needs the texts 'input', 'output' and "
                f"'testtype', got {case!r:.80}."
            )
        yield case


class _TextOnly(pickle.Unpickler):
    """Reads a pickled text; a pickle that names a class or a function is refused."""

    def find_class(self, module_name: str, global_name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it names {module_name}.{global_name}, and only text is read")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError("it refers to another object, and only text is read")


def unpacked(where: str, column: str, text: str) -> str:
    """Return the text in a column that holds base64 of zlib of a pickled text.

    No code runs, whatever the pickle says: it may hold a text and nothing else.

    Raises:
        ProblemSetError: the column holds something else, or more than `LARGEST` bytes.
    """
    try:
        inflater = zlib.decompressobj()
        data = inflater.decompress(base64.b64decode(text, validate=True), LARGEST)
        if not inflater.eof:
            raise ProblemSetError(f"{where}: {column!r} is cut off, or above {LARGEST:,} bytes.")
        found = _TextOnly(io.BytesIO(data)).load()
    except (binascii.Error, zlib.error, pickle.UnpicklingError, EOFError, MemoryError) as error:
        raise ProblemSetError(f"{where}: {column!r} is no packed text: {error}.") from error
    except (ValueError, TypeError, AttributeError, IndexError, KeyError) as error:
        raise ProblemSetError(f"{where}: {column!r} is no packed text: {error!r}.") from error
    if isinstance(found, bytes):
        found = found.decode("utf-8", "replace")
    if not isinstance(found, str):
        raise ProblemSetError(
            f"{where}: {column!r} holds a packed {type(found).__name__}, expected text."
        )
    return found
