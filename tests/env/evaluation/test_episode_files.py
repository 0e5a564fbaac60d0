"""Episodes as rows: nothing is lost on the way to a file and back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env.errors import CheckpointError
from selfcorrect_env.evaluation.episode_files import (
    EpisodeLog,
    from_row,
    read_episodes,
    to_row,
    write_episodes,
    write_parquet,
)
from selfcorrect_env.types import Attempt, Episode, Message, Problem, Reason, Verdict

text = st.text(st.characters(codec=None), max_size=20)  # lone surrogates included
ZERO = [reason for reason in Reason if reason not in (Reason.CORRECT, Reason.PARTIAL)]
partial = st.floats(0, 1, exclude_min=True, exclude_max=True)
verdicts = st.one_of(
    st.builds(Verdict, st.just(1.0), st.just(Reason.CORRECT), st.none() | text, text),
    st.builds(Verdict, partial, st.just(Reason.PARTIAL), st.none() | text, text),
    st.builds(Verdict, st.just(0.0), st.sampled_from(ZERO), st.none() | text, text),
)
attempts = st.builds(
    Attempt,
    reply=text,
    verdict=verdicts,
    tokens=st.none() | st.integers(0, 10_000),
    truncated=st.none() | st.booleans(),
    verification=st.booleans(),
)
problems = st.builds(
    Problem,
    id=text,
    prompt=text,
    reference=text,
    metadata=st.dictionaries(text, st.integers() | text | st.lists(text, max_size=2), max_size=2),
)
messages = st.builds(Message, role=st.sampled_from(["system", "user", "assistant"]), content=text)
episodes = st.builds(
    Episode,
    problem=problems,
    attempts=st.lists(attempts, min_size=1, max_size=3).map(tuple),
    conversation=st.lists(messages, max_size=4).map(tuple),
)


def episode(id="p", reply="y", tokens=None):
    return Episode(
        problem=Problem(id=id, prompt="1 + 1", reference="2", metadata={"level": 1}),
        attempts=(
            Attempt(reply=reply, verdict=Verdict(0.0, Reason.WRONG, "3"), tokens=tokens),
            Attempt(reply=reply, verdict=Verdict(1.0, Reason.CORRECT, "2"), tokens=tokens),
        ),
        conversation=(
            Message(role="user", content="1 + 1"),
            Message(role="assistant", content=reply),
        ),
    )


@given(episodes)
def test_a_row_holds_the_whole_episode(one):
    row = to_row(one)
    assert from_row(row) == one
    assert from_row(json.loads(json.dumps(row))) == one
    json.dumps(row, ensure_ascii=False).encode("utf-8")  # what Arrow needs of every text


def test_a_row_is_readable():
    row = to_row(episode())
    assert row["transition"] == "i->c"
    assert row["judged"] is True
    assert row["replies"] == ["y", "y"]
    assert row["reasons"] == ["wrong", "correct"]
    assert row["exact"] == ""
    assert "verifications" not in row  # as older files, which have no such column


def test_an_older_row_of_partial_credit_is_read_by_its_name_of_today():
    row = to_row(episode()) | {"scores": [0.5, 1.0], "reasons": ["wrong", "correct"]}
    first, second = (attempt.verdict for attempt in from_row(row).attempts)
    assert (first.score, first.reason, first.correct) == (0.5, Reason.PARTIAL, False)
    assert second.correct


@pytest.mark.parametrize(
    ("score", "reason", "message"),
    [
        (0.6, "correct", "'correct' has score 1, got 0.6"),
        (1.0, "wrong", "'wrong' has score 0, got 1.0"),
        (0.5, "timeout", "'timeout' has score 0, got 0.5"),
        (1.5, "correct", r"in \[0, 1\], got 1.5"),
        (0.0, "correkt", "Unknown Verdict.reason 'correkt'"),
        (None, "wrong", "must be a number, got None"),
        ("1", "correct", "must be a number, got '1'"),
    ],
)
def test_a_row_whose_score_denies_its_reason_is_refused(tmp_path, score, reason, message):
    row = to_row(episode()) | {"scores": [score, 1.0], "reasons": [reason, "correct"]}
    (tmp_path / "e.jsonl").write_text(json.dumps(row))
    with pytest.raises(CheckpointError, match=f"line 1: not an episode: .*{message}"):
        read_episodes(tmp_path / "e.jsonl")


AWKWARD = [episode("a"), episode("b", "\ud800\x00\u2028\r\n{"), episode("c", "x" * 1_000_000, 7)]


def test_files_keep_awkward_replies(tmp_path):
    write_episodes(tmp_path / "episodes.jsonl", AWKWARD)
    assert read_episodes(tmp_path / "episodes.jsonl") == AWKWARD


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_the_datasets_library_reads_the_files(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", exc_type=ImportError)
    path = tmp_path / "episodes"
    (write_episodes if kind == "json" else write_parquet)(path, AWKWARD)
    rows = datasets.load_dataset(
        kind, data_files=str(path), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert list(rows["problem_id"]) == ["a", "b", "c"]
    assert [from_row(row) for row in rows] == AWKWARD


def test_a_broken_line_is_named(tmp_path):
    path = tmp_path / "episodes.jsonl"
    write_episodes(path, [episode("a"), episode("b")])
    good = path.read_text()
    for broken in ("{", '{"problem_id": "c"}', "[]", '"text"', "null"):
        path.write_text(good + broken + "\n")
        with pytest.raises(CheckpointError, match=r"episodes\.jsonl, line 3: not an episode"):
            read_episodes(path)


def test_a_missing_column_is_named():
    row = to_row(episode())
    for name in ("problem_id", "messages", "reasons", "metadata"):
        with pytest.raises(ValueError, match=f"column '{name}' is missing"):
            from_row({key: value for key, value in row.items() if key != name})


def test_attempts_of_unequal_number_are_refused():
    with pytest.raises(ValueError, match="zip"):
        from_row({**to_row(episode()), "scores": [1.0]})


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"none\.jsonl: cannot be read"):
        read_episodes(tmp_path / "none.jsonl")


def test_writing_is_all_or_nothing(tmp_path):
    path = tmp_path / "episodes.jsonl"
    write_episodes(path, [episode("a")])

    def failing():
        yield episode("b")
        raise RuntimeError("the source failed")

    with pytest.raises(RuntimeError, match="the source failed"):
        write_episodes(path, failing())
    assert read_episodes(path) == [episode("a")]
    assert list(tmp_path.iterdir()) == [path]


def test_a_log_goes_on_after_a_crash_in_the_middle_of_a_line(tmp_path):
    path = tmp_path / "episodes.jsonl"
    with EpisodeLog(path) as log:
        assert log.kept == []
        log.append([episode("a"), episode("b")])
        assert read_episodes(path) == [episode("a"), episode("b")]  # before it is closed
    with path.open("a") as file:
        file.write(json.dumps(to_row(episode("c")))[:40])
    with EpisodeLog(path) as log:
        assert log.kept == [episode("a"), episode("b")]
        log.append([episode("c")])
    assert read_episodes(path) == [episode("a"), episode("b"), episode("c")]
