"""Reading rows from files. An error names the file and the line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from selfcorrect_env.errors import ProblemSetError

Row: TypeAlias = Mapping[str, Any]
"""A row: values by column."""

TEXT_SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")
"""Text files, which may be compressed: ``.csv.gz``."""

SUFFIXES = (*TEXT_SUFFIXES, *(f"{suffix}.gz" for suffix in TEXT_SUFFIXES), ".parquet")
"""The file names that `read_rows` knows, in any case."""

FORMATS = ".jsonl, .ndjson, .json, .csv, .tsv (each also with .gz), .parquet"
"""`SUFFIXES` in words."""

_field_size_limit = threading.Lock()  # csv has one limit for the whole process


def read_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """Read a file of rows, or the folder of a ``datasets.Dataset`` (``save_to_disk``).

    In CSV and TSV files the first line names the columns, every value is text, and an empty cell
    is a missing value (None).

    Returns:
        Pairs of the row's file and line, for messages, and the row.

    Raises:
        ProblemSetError: the file is missing or of another format, or a row of it is invalid.
            The message names the file and the line.
    """
    if is_saved_dataset(path):
        rows = _read_saved_dataset(path)
    elif path.is_dir():
        raise ProblemSetError(f"{str(path)!r} is a folder. Expected a file: {FORMATS}.")
    elif not path.is_file():
        raise ProblemSetError(f"There is no file {str(path)!r}. Expected {FORMATS}.")
    else:
        rows = _read_file(path)
    for where, row in rows:
        if not isinstance(row, Mapping):
            raise ProblemSetError(
                f"{where}: expected an object with columns, got {type(row).__name__}."
            )
        yield where, row


def read_object(path: Path) -> Row:
    """Return the JSON object that a file holds.

    Raises:
        ProblemSetError: the file cannot be read, or holds something else; the message names it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ProblemSetError(f"{path}: cannot be read: {error}") from error
    row = _parse(str(path), data)
    if not isinstance(row, Mapping):
        raise ProblemSetError(f"{path}: expected a JSON object, got {type(row).__name__}.")
    return row


def is_saved_dataset(path: Path) -> bool:
    """Return whether ``path`` is a folder that ``datasets.Dataset.save_to_disk`` wrote."""
    return (path / "state.json").is_file() and (path / "dataset_info.json").is_file()


def read_arrow(files: Iterable[Path]) -> list[Row]:
    """Read files in Arrow's stream format, as ``datasets`` writes them.

    Raises:
        ProblemSetError: pyarrow is not installed, or a file cannot be read.
    """
    try:
        import pyarrow
    except ImportError:
        raise ProblemSetError(
            "reading Arrow files needs pyarrow: pip install 'selfcorrect-env[data]'"
        ) from None
    rows: list[Row] = []
    for file in files:
        try:
            with pyarrow.memory_map(str(file)) as source:
                rows += pyarrow.ipc.open_stream(source).read_all().to_pylist()
        except (OSError, pyarrow.ArrowException) as error:
            raise ProblemSetError(f"{file} cannot be read: {error}") from error
    return rows


def _read_file(path: Path) -> Iterator[tuple[str, Any]]:
    name = path.name.lower()
    suffix = next((s for s in SUFFIXES if name.endswith(s)), None)
    if suffix is None:
        raise ProblemSetError(
            f"{str(path)!r} is of an unknown format. Expected a file name that ends in {FORMATS}."
        )
    if suffix == ".parquet":
        return _read_parquet(path)
    if suffix in (".jsonl", ".ndjson"):
        return _read_plain_json_lines(path)
    try:
        data = path.read_bytes()
        if suffix.endswith(".gz"):
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:  # truncated or corrupt, a disk error
        raise ProblemSetError(f"{path}: cannot be read: {error}") from error
    readers = {
        ".json": _read_json,
        ".csv": _read_csv,
        ".tsv": _read_tsv,
    }
    return readers.get(suffix.removesuffix(".gz"), _read_json_lines)(path, data)


def _read_plain_json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    """Read line by line: files of test cases have more than a gigabyte."""
    try:
        with path.open("rb") as file:
            yield from _parsed_lines(path, file)
    except OSError as error:
        raise ProblemSetError(f"{path}: cannot be read: {error}") from error


def _read_json_lines(path: Path, data: bytes) -> Iterator[tuple[str, Any]]:
    return _parsed_lines(path, io.BytesIO(data))


def _parsed_lines(path: Path, lines: Iterable[bytes]) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(lines, start=1):
        where = f"{path}, line {number}"
        if line.strip():
            yield where, _parse(where, line)


def _read_json(path: Path, data: bytes) -> Iterator[tuple[str, Any]]:
    rows = _parse(str(path), data)
    if not isinstance(rows, list):
        raise ProblemSetError(f"{path}: expected a JSON list of objects.")
    for number, row in enumerate(rows):
        yield f"{path}, element {number}", row


def _parse(where: str, text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: bad JSON or bad UTF-8
        raise ProblemSetError(f"{where}: not valid JSON ({error}).") from error


def _read_tsv(path: Path, data: bytes) -> Iterator[tuple[str, Any]]:
    return _read_csv(path, data, delimiter="\t")


def _read_csv(path: Path, data: bytes, delimiter: str = ",") -> Iterator[tuple[str, Any]]:
    try:
        text = data.decode("utf-8-sig")  # spreadsheets write a byte-order mark
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ProblemSetError(
            f"{path}, line {line}: not UTF-8 ({error.reason}). Save the file as UTF-8."
        ) from error
    records = _csv_records(path, text, delimiter)
    if not records:
        raise ProblemSetError(f"{path}: is empty. Its first line must name the columns.")
    where, header = records[0]
    repeated = sorted({column for column in header if header.count(column) > 1})
    if repeated:
        raise ProblemSetError(f"{where}: the column {repeated[0]!r} is named more than once.")
    for where, values in records[1:]:
        if len(values) != len(header):
            raise ProblemSetError(
                f"{where}: {len(values)} values, but the file has {len(header)} columns "
                f"({', '.join(map(repr, header))}). Put a value that contains {delimiter!r} "
                "or a line break in double quotes."
            )
        yield where, {name: value or None for name, value in zip(header, values, strict=True)}


def _csv_records(path: Path, text: str, delimiter: str) -> list[tuple[str, list[str]]]:
    """Return each record that is not empty with its file and first line."""
    records: list[tuple[str, list[str]]] = []
    with _field_size_limit:
        limit = csv.field_size_limit(sys.maxsize)  # of 131,072 characters by default
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        line = 1
        try:
            for values in reader:
                if values:
                    records.append((f"{path}, line {line}", values))
                line = reader.line_num + 1
        except csv.Error as error:
            raise ProblemSetError(f"{path}, line {line}: not valid CSV ({error}).") from error
        finally:
            csv.field_size_limit(limit)
    return records


def _read_parquet(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ProblemSetError(
            f"Reading {path} needs pyarrow: pip install 'selfcorrect-env[data]'"
        ) from None
    try:
        rows = pyarrow.parquet.read_table(path).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise ProblemSetError(f"{path}: not a readable Parquet file: {error}") from error
    for number, row in enumerate(rows):
        yield f"{path}, row {number}", row


def _read_saved_dataset(folder: Path) -> Iterator[tuple[str, Any]]:
    state = folder / "state.json"
    try:
        files = [
            folder / entry["filename"] for entry in json.loads(state.read_bytes())["_data_files"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProblemSetError(f"{state}: does not name the data files: {error!r}") from error
    for number, row in enumerate(read_arrow(files)):
        yield f"{folder}, row {number}", row
