import copy
import gzip
import json
import os
import pickle
import subprocess
import sys
from datetime import date
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env.errors import ProblemSetError, UnknownNameError
from selfcorrect_env.problems import ProblemSet
from selfcorrect_env.types import Problem

ROWS = [
    {"prompt": "1 + 1 = ?", "reference": 2, "subject": "sums"},
    {"prompt": "π ≈ ? 🎲 \ud800", "reference": "3,14", "subject": "Größe"},
    {"prompt": "2 · 2 = ?", "reference": 4.0, "subject": None},
]
TEXT = st.text(st.characters(codec=None), max_size=20)
RECORDS = st.lists(
    st.fixed_dictionaries({"prompt": TEXT, "reference": TEXT, "level": st.integers()}),
    min_size=1,
    max_size=12,
)


def test_records():
    problems = ProblemSet.from_records(ROWS, name="mine", split="train")
    assert (problems.name, problems.split, len(problems)) == ("mine", "train", 3)
    assert [p.id for p in problems] == ["0", "1", "2"]
    assert [p.reference for p in problems] == ["2", "3,14", "4.0"]
    assert problems[1].prompt == ROWS[1]["prompt"]
    assert dict(problems[1].metadata) == {"subject": "Größe"}


def test_columns_by_name_and_by_function():
    rows = [{"q": "1 + 1", "a": "so #### 2", "key": "k1", "id": 7}, {"q": "2", "a": "2", "id": 8}]
    problems = ProblemSet.from_records(
        rows,
        prompt_column="q",
        reference_column=lambda row: row["a"][-1],
        id_column=lambda row: row.get("key"),
    )
    assert [(p.id, p.prompt, p.reference) for p in problems] == [
        ("k1", "1 + 1", "2"),
        ("1", "2", "2"),
    ]
    assert dict(problems[0].metadata) == {"a": "so #### 2", "key": "k1", "id": 7}
    assert [
        p.id for p in ProblemSet.from_records(rows, prompt_column="q", reference_column="a")
    ] == ["7", "8"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "x"}, r"record 1: no column 'reference'.*it has 'prompt'"),
        ({}, r"record 1: no column 'prompt'.*it has none"),
        (
            {"prompt": "x", "refrence": "1"},
            r"it has 'prompt', 'refrence'\. Did you mean 'refrence'",
        ),
        ({"prompt": "x", "reference": None}, "must be text or a finite number, got NoneType"),
        ({"prompt": "x", "reference": True}, "got bool"),
        ({"prompt": "x", "reference": float("nan")}, "got float"),
        ({"prompt": "x", "reference": Decimal("NaN")}, "got Decimal"),
        ({"prompt": "x", "reference": 10**5000}, r"got int \(of too many digits; write it as text"),
        ({"prompt": ["x"], "reference": "y"}, "prompt must be text"),
        ({"prompt": "x", "reference": "y", "id": ["z"]}, "id must be text"),
        ("prompt", "record 1: expected an object with columns, got str"),
    ],
)
def test_broken_records_are_named(row, message):
    with pytest.raises(ProblemSetError, match=message):
        ProblemSet.from_records([ROWS[0], row])


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (10**400, "1" + "0" * 400),
        (Fraction(10**400, 3), f"{10**400}/3"),
        (Decimal("1.50"), "1.50"),
        (Decimal("1E+3"), "1000"),
        (np.int64(7), "7"),
        (np.float32(0.1), "0.1"),
    ],
)
def test_numbers_of_every_kind_are_written_out(number, text):
    (problem,) = ProblemSet.from_records([{"prompt": "x", "reference": number}])
    assert problem.reference == text


class Polars:
    """A table with the methods and attributes of polars' DataFrame that tell what it is."""

    columns = ["prompt", "reference"]  # noqa: RUF012

    def to_dict(self, *, as_series=True):
        raise AssertionError("its rows are in to_dicts")

    def to_dicts(self):
        return [{"prompt": "1 + 1", "reference": 2}]


def test_arrays_of_a_table_are_lists():
    """As a verifier reads them: ``if not tests`` has no meaning for an array."""
    row = {"prompt": "x", "reference": "y", "tests": np.array(["a", "b"], dtype=object)}
    (problem,) = ProblemSet.from_records([row])
    assert problem.metadata["tests"] == ["a", "b"]
    assert type(problem.metadata["tests"]) is list


def test_a_table_of_polars():
    assert ProblemSet.from_records(Polars())[0].reference == "2"


def test_a_function_of_the_row_that_fails_is_named():
    with pytest.raises(
        ProblemSetError, match=r"record 0: the function for 'reference' raised KeyE"
    ):
        ProblemSet.from_records(ROWS, reference_column=lambda row: row["nope"])


def test_sets_must_hold_distinct_problems():
    with pytest.raises(ProblemSetError, match="empty"):
        ProblemSet.from_records([])
    with pytest.raises(ProblemSetError, match="two problems have the id 'a'"):
        ProblemSet.from_records([{"prompt": "x", "reference": "y", "id": "a"}] * 2)
    with pytest.raises(TypeError, match="holds Problem objects, not dict"):
        ProblemSet(ROWS, name="x")  # type: ignore[arg-type]


def write(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return path


LINES = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("set.jsonl", LINES),
        ("set.JSONL", b"\xef\xbb\xbf" + LINES.replace(b"\n", b"\r\n\r\n")),
        ("set.ndjson", LINES.rstrip()),
        ("set.jsonl.gz", gzip.compress(LINES, mtime=0)),
        ("set.JSONL.GZ", gzip.compress(LINES, mtime=0)),
        ("set.json", json.dumps(ROWS).encode()),
    ],
)
def test_files(tmp_path, name, data):
    problems = ProblemSet.from_file(write(tmp_path, name, data))
    assert problems == ProblemSet.from_records(ROWS, name="set")


def test_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pytest.importorskip("pyarrow").Table.from_pylist(
        [{"prompt": "ä", "reference": i, "tags": ["x"]} for i in range(3)]
    )
    parquet.write_table(table, tmp_path / "set.parquet")
    problems = ProblemSet.from_file(tmp_path / "set.parquet", name="p")
    assert [p.reference for p in problems] == ["0", "1", "2"]
    assert problems[0].metadata["tags"] == ["x"]
    with pytest.raises(ProblemSetError, match="not a readable Parquet file"):
        ProblemSet.from_file(write(tmp_path, "bad.parquet", b"PAR1 nothing"))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.jsonl", LINES + b'{"prompt": ', r"a\.jsonl, line 4: not valid JSON"),
        ("a.jsonl", b"\n\n[1]\n", r"a\.jsonl, line 3: expected an object with columns, got list"),
        ("a.jsonl", b'{"prompt": "\xff"}', r"line 1: not valid JSON"),
        ("a.jsonl", b'{"prompt": "x"}', r"a\.jsonl, line 1: no column 'reference'"),
        ("a.jsonl", b"[" * 100_000, "line 1: not valid JSON"),
        ("a.jsonl", b"", "is empty"),
        ("a.jsonl.gz", gzip.compress(LINES * 50, mtime=0)[:-20], "cannot be read"),
        ("a.jsonl.gz", gzip.compress(LINES, mtime=0)[:12] + b"\xff" * 40, "cannot be read"),
        ("a.jsonl.gz", LINES, "cannot be read"),
        ("a.json", b'{"prompt": "x"}', "expected a JSON list"),
        ("a.json", b'[{"prompt": "x", "reference": "y"}, 3]', r"a\.json, element 1: expected"),
        ("a.xlsx", LINES, r"a\.xlsx' is of an unknown format\. Expected .* \.jsonl, .*\.csv"),
    ],
)
def test_broken_files_are_named_by_line(tmp_path, name, data, message):
    with pytest.raises(ProblemSetError, match=message):
        ProblemSet.from_file(write(tmp_path, name, data))


def test_a_missing_file(tmp_path):
    with pytest.raises(ProblemSetError, match=r"There is no file .*Expected .jsonl"):
        ProblemSet.from_file(tmp_path / "no.jsonl")
    with pytest.raises(ProblemSetError, match="no file whose name says 'test'"):
        ProblemSet.from_file(tmp_path)


def test_dataset_rows():
    problems = ProblemSet.from_dataset(iter(ROWS), name="hub/set", split="train")
    assert (problems.name, problems.split) == ("hub/set", "train")
    with pytest.raises(ProblemSetError, match="row 0 of hub/set: no column 'question'"):
        ProblemSet.from_dataset(ROWS, name="hub/set", prompt_column="question")


def test_indices_and_slices():
    problems = ProblemSet.from_records(ROWS, name="mine", split="train")
    assert problems[-1].id == problems[np.int64(2)].id == "2"
    part = problems[1:]
    assert isinstance(part, ProblemSet)
    assert (part.name, part.split, [p.id for p in part]) == ("mine", "train", ["1", "2"])
    with pytest.raises(IndexError, match=r"Index 3 is outside .* \(0 to 2\)"):
        problems[3]
    with pytest.raises(ProblemSetError, match="empty"):
        problems[3:]
    assert problems.by_id("1") is problems[1]
    with pytest.raises(UnknownNameError, match=r"no problem with id 'x'\. It has 3"):
        problems.by_id("x")
    with pytest.raises(KeyError):
        problems.by_id("x")


def test_head_and_filter():
    problems = ProblemSet.from_records(ROWS)
    assert problems.head(2) == problems[:2]
    assert problems.head(99) == problems
    with pytest.raises(ProblemSetError, match="must be at least 1, got 0"):
        problems.head(0)
    assert [p.id for p in problems.filter(lambda p: p.metadata["subject"] == "sums")] == ["0"]
    with pytest.raises(ProblemSetError, match="empty"):
        problems.filter(lambda p: False)


def test_shuffling_is_by_seed():
    problems = ProblemSet.from_records([{"prompt": str(i), "reference": i} for i in range(50)])
    assert problems.shuffle(1) == problems.shuffle(1)
    assert problems.shuffle(1) != problems.shuffle(2)
    assert [p.id for p in problems.shuffle(0).head(5)] == ["18", "23", "36", "4", "2"]


def test_the_fingerprint_is_known():
    assert ProblemSet.from_records(ROWS).fingerprint == "85f33a490405d08a"


@pytest.mark.parametrize("hash_seed", ["0", "1234"])
def test_the_fingerprint_is_the_same_in_every_process(hash_seed):
    code = (
        "from selfcorrect_env.problems import ProblemSet\n"
        "row = {'prompt': 'ä', 'reference': 1, 'tags': {'a', 'b', 'c'}, 'z': {'y': 1, 'x': 2}}\n"
        "print(ProblemSet.from_records([row]).fingerprint)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "c6b8ae0933a1518c"


def test_the_fingerprint_covers_the_content_and_not_the_name():
    base = ProblemSet.from_records(ROWS, name="a", split="train")
    assert base.fingerprint == ProblemSet.from_records(ROWS, name="b", split="test").fingerprint
    others = [
        ProblemSet.from_records([*ROWS[:2], {**ROWS[2], **change}])
        for change in (
            {"prompt": "!"},
            {"reference": "!"},
            {"subject": "!"},
            {"id": "!"},
            {"new": 1},
        )
    ]
    others += [base[::-1], base[:2]]
    prints = {problems.fingerprint for problems in others} | {base.fingerprint}
    assert len(prints) == len(others) + 1


def test_fingerprints_of_values_that_json_lacks():
    extra = {"a": np.arange(3), "b": np.float32(1), "c": date(2020, 1, 1), "d": Decimal("1.5")}
    problems = ProblemSet.from_records([{**ROWS[0], **extra, "e": b"x", "f": frozenset({2, 1})}])
    assert len(problems.fingerprint) == 16
    odd = ProblemSet.from_records([{**ROWS[0], "f": object()}], name="odd")
    with pytest.raises(ProblemSetError, match=r"Problem '0' of 'odd'.*object.*not JSON-able"):
        _ = odd.fingerprint
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(ProblemSetError, match="JSON-able"):
        _ = ProblemSet.from_records([{**ROWS[0], "f": circle}]).fingerprint


@given(RECORDS)
def test_a_set_survives_pickling_and_files(tmp_path_factory, rows):
    problems = ProblemSet.from_records(rows, name="set")
    for copied in (pickle.loads(pickle.dumps(problems)), copy.deepcopy(problems)):
        assert copied == problems
        assert hash(copied) == hash(problems)
        assert copied.fingerprint == problems.fingerprint
    path = tmp_path_factory.mktemp("rows") / "set.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert ProblemSet.from_file(path) == problems


@given(RECORDS, st.integers(0, 2**32))
def test_a_shuffled_set_holds_the_same_problems(rows, seed):
    problems = ProblemSet.from_records(rows)
    shuffled = problems.shuffle(seed)
    assert sorted(p.id for p in shuffled) == sorted(p.id for p in problems)
    assert {p.id: p for p in shuffled} == {p.id: p for p in problems}


def test_sets_compare_by_name_split_and_problems():
    problems = ProblemSet.from_records(ROWS)
    assert problems != ProblemSet.from_records(ROWS, name="other")
    assert problems != ProblemSet.from_records(ROWS, split="other")
    assert problems != ROWS
    assert Problem(id="0", prompt="x", reference="y") not in problems


def test_repr_says_what_it_is():
    one = ProblemSet.from_records(ROWS[:1], name="mine")
    assert repr(one) == (
        f"ProblemSet('mine', split='all', 1 problem, fingerprint='{one.fingerprint}')"
    )


def test_a_data_set_by_its_name(tmp_path, monkeypatch):
    """A local folder replaces a repository: ``load_dataset`` reads both the same way."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    rows = [{"question": f"{n} + 1?", "answer": n + 1, "kind": "sum"} for n in range(3)]
    folder = tmp_path / "sums"
    folder.mkdir()
    (folder / "test.jsonl").write_text("\n".join(map(json.dumps, rows)))
    columns = {"prompt_column": "question", "reference_column": "answer"}
    problems = ProblemSet.from_dataset(str(folder), **columns)
    assert [problem.reference for problem in problems] == ["1", "2", "3"]
    assert problems[0].metadata == {"kind": "sum"}
    by_path = ProblemSet.from_dataset(str(folder / "test.jsonl"), **columns)
    assert by_path.fingerprint == problems.fingerprint
    with pytest.raises(ProblemSetError, match="'train'"):
        ProblemSet.from_dataset(str(folder), split="train", **columns)
    with pytest.raises(ProblemSetError, match="kind"):
        ProblemSet.from_dataset(rows, prompt_column="question", reference_column="solution")
