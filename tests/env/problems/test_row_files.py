"""CSV and TSV files, and compressed files of every text format."""

import csv
import gzip
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env.errors import ProblemSetError
from selfcorrect_env.problems import ProblemSet
from selfcorrect_env.problems.row_files import SUFFIXES, read_rows

ROWS = [
    {"prompt": "1 + 1 = ?", "reference": "2", "note": "sums, small"},
    {"prompt": "Say\n\"x\"\r\nand 'y'", "reference": "007", "note": "π 🎲"},
]
NDJSON = b"\n".join(json.dumps(row).encode() for row in ROWS)
CELL = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


def table(rows, delimiter=",", encoding="utf-8") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", table(ROWS)),
        ("a.CSV", table(ROWS, encoding="utf-8-sig")),
        ("a.csv", table(ROWS) + b"\r\n\r\n"),
        ("a.csv", table(ROWS).replace(b"2,", b'"2",')),
        ("a.csv.gz", gzip.compress(table(ROWS), mtime=0)),
        ("a.tsv", table(ROWS, "\t")),
        ("a.tsv.gz", gzip.compress(table(ROWS, "\t"), mtime=0)),
        ("a.json.gz", gzip.compress(json.dumps(ROWS).encode(), mtime=0)),
        ("a.ndjson.gz", gzip.compress(NDJSON, mtime=0)),
    ],
)
def test_files_hold_the_rows(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    assert ProblemSet.from_file(tmp_path / name) == ProblemSet.from_records(ROWS, name="a")


@given(
    st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=8),
    st.sampled_from([(".csv", ","), (".tsv", "\t")]),
)
def test_a_table_is_read_back_as_it_was_written(tmp_path_factory, cells, kind):
    suffix, delimiter = kind
    rows = [dict(zip(("prompt", "reference", "a,b\tc"), row, strict=True)) for row in cells]
    path = tmp_path_factory.mktemp("tables") / f"rows{suffix}"
    path.write_bytes(table(rows, delimiter))
    assert [row for _, row in read_rows(path)] == rows
    assert ProblemSet.from_file(path) == ProblemSet.from_records(rows, name="rows")


@given(st.binary(max_size=60))
def test_any_bytes_are_rows_or_a_named_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("tables") / "rows.csv"
    path.write_bytes(b"prompt,reference\n" + data)
    rows, said = [], ""
    try:
        rows = list(read_rows(path))
    except ProblemSetError as error:
        said = str(error)
    assert not said or "rows.csv, line" in said
    assert all(row.keys() == {"prompt", "reference"} for _, row in rows)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"bad\.csv: is empty"),
        (b"\xef\xbb\xbf", r"bad\.csv: is empty"),
        (b"prompt,reference\n", "is empty; it needs"),
        (b"prompt,reference\n1,2\n1,2,3\n", r"bad\.csv, line 3: 3 values, but the file has 2 col"),
        (b'prompt,reference\n"1\n1",2\n\n1\n', r"bad\.csv, line 5: 1 values, .*double quotes"),
        (b"prompt,reference,prompt\n", "line 1: the column 'prompt' is named more than once"),
        (b'prompt,reference\n1,2\n"1,2\n1,2\n', r"bad\.csv, line 3: not valid CSV"),
        (b'prompt,reference\n"1"1,2\n', r"bad\.csv, line 2: not valid CSV"),
        (b"prompt,reference\n1,2\n\xff,2\n", r"bad\.csv, line 3: not UTF-8"),
        (b"prompt,reference\n1,\n", r"bad\.csv, line 2: the problem's reference must be text"),
        (b"prompt;reference\n1;2\n", "no column 'prompt'.*it has 'prompt;reference'"),
    ],
)
def test_a_broken_table_is_named_by_line(tmp_path, data, message):
    (tmp_path / "bad.csv").write_bytes(data)
    with pytest.raises(ProblemSetError, match=message):
        ProblemSet.from_file(tmp_path / "bad.csv")


def test_a_huge_field_is_read_and_the_limit_of_csv_stays_as_it_was(tmp_path):
    limit = csv.field_size_limit()
    rows = [{"prompt": "x" * (limit + 1), "reference": "y"}]
    (tmp_path / "a.csv").write_bytes(table(rows))
    assert ProblemSet.from_file(tmp_path / "a.csv")[0].prompt == rows[0]["prompt"]
    assert csv.field_size_limit() == limit


def test_an_empty_cell_is_a_missing_value(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"id,prompt,reference,note\n,x,1,\nb,y,2,z\n")
    problems = ProblemSet.from_file(tmp_path / "a.csv")
    assert [(p.id, p.metadata["note"]) for p in problems] == [("0", None), ("b", "z")]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_content_of_any_format_crashes(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    for data in (b"\x00\xff\xfe", gzip.compress(b"\x00\xff", mtime=0), b"[[", b"\n"):
        path.write_bytes(data)
        with pytest.raises(ProblemSetError):
            ProblemSet.from_file(path)
