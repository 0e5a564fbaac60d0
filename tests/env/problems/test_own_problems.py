"""Problems that a user brings: files, folders, rows in memory; their splits and columns."""

import json
from pathlib import Path

import gymnasium as gym
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env import (
    ProblemSet,
    ProblemSetError,
    Prompts,
    SelfCorrectEnv,
    SelfCorrectVectorEnv,
    UnknownNameError,
)
from selfcorrect_env.problems import Source, has_splits, load_problems
from selfcorrect_env.problems.own_problems import resolve_problems
from selfcorrect_env.problems.sources import SOURCES
from selfcorrect_env.problems.splits import is_held_out, statement_hash
from selfcorrect_env.registration import ENVIRONMENTS

ROWS = [{"prompt": f"{i} + {i} = ?", "reference": str(2 * i)} for i in range(40)]
OTHER = [{"question": row["prompt"], "gold": row["reference"]} for row in ROWS]
NAMES = {"prompt_column": "question", "reference_column": "gold"}


def write(path: Path, rows=ROWS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def digits(problem, response):
    return response == problem.reference


# -- verifier and prompts --------------------------------------------------------------------------
@pytest.mark.parametrize("id", [id for id in ENVIRONMENTS if "Code" not in id])
def test_own_problems_keep_the_verifier_and_prompts_of_an_id(id, tmp_path):
    named = SOURCES[ENVIRONMENTS[id]]
    for problems in (ROWS, str(write(tmp_path / "mine.jsonl"))):
        env = gym.make(id, problems=problems).unwrapped
        assert (env.verifier.name, env.prompts.name) == (named.verifier, named.prompts)
        assert list(env.problems) == list(ProblemSet.from_records(ROWS))
        again = SelfCorrectEnv(env.problems)
        assert (again.verifier, again.prompts) == (env.verifier, env.prompts)
    envs = gym.make_vec(id, num_envs=2, problems=ROWS)
    assert (envs.unwrapped.verifier.name, envs.unwrapped.prompts.name) == (
        named.verifier,
        named.prompts,
    )


def test_explicit_arguments_come_before_the_set_and_the_set_before_the_id():
    texts = Prompts("mine", correction="Again.")
    own = ProblemSet.from_records(ROWS).with_defaults(verifier="first-digit", prompts=texts)
    for make in (SelfCorrectEnv, lambda *a, **k: SelfCorrectVectorEnv(2, *a, **k)):
        env = make(own, defaults="math")
        assert (env.verifier.name, env.prompts) == ("first-digit", texts)
        env = make(own, defaults="math", verifier="exact", prompts="plain")
        assert (env.verifier.name, env.prompts.name) == ("exact", "plain")
        env = make(ROWS, defaults="math")
        assert (env.verifier.name, env.prompts.name) == ("math", "math")
        env = make(ROWS)
        assert (env.verifier.name, env.prompts.name) == ("exact", "plain")
    env = SelfCorrectEnv(ROWS, verifier=digits, prompts="math")
    again = SelfCorrectEnv(env.problems[:3])
    assert (again.verifier, again.prompts.name) == (env.verifier, "math")
    assert own.verifier == "first-digit"  # the set itself has not changed


def test_a_set_keeps_its_defaults_in_every_view():
    problems = load_problems("arithmetic", size=20)
    assert (problems.verifier, problems.prompts) == ("first-digit", "arithmetic")
    views = [
        *(problems[:3], problems.head(2), problems.shuffle(1), problems.filter(lambda p: True)),
        *problems.train_test_split(0.5),
    ]
    for view in views:
        assert (view.verifier, view.prompts) == ("first-digit", "arithmetic")
    other = problems.with_defaults(verifier="exact")
    assert other == problems
    assert other.fingerprint == problems.fingerprint
    assert (other.verifier, other.prompts) == ("exact", "arithmetic")


def test_a_named_set_may_leave_its_verifier_to_the_id(monkeypatch):
    def load(split: str = "test") -> ProblemSet:
        return ProblemSet.from_records(ROWS, split=split)

    monkeypatch.setitem(SOURCES, "sums", Source(load))
    assert SelfCorrectEnv("sums").verifier.name == "exact"
    assert gym.make("SelfCorrect-MATH-v0", problems="sums").unwrapped.verifier.name == "math"
    monkeypatch.setitem(SOURCES, "sums", Source(lambda split: [1]))  # type: ignore[arg-type]
    with pytest.raises(ProblemSetError, match="must return a ProblemSet, not list"):
        load_problems("sums")


# -- splits ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["{}.jsonl", "{}.csv", "my-{}-set.json", "{}.jsonl.gz", "{}.tsv"])
def test_a_folder_has_a_file_for_each_split(tmp_path, name):
    import gzip

    for split, rows in (("train", ROWS[:30]), ("test", ROWS[30:35]), ("validation", ROWS[35:])):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        if name.endswith("json"):
            lines = json.dumps(rows)
        if name.endswith(("csv", "tsv")):
            mark = "," if name.endswith("csv") else "\t"
            values = [f"{row['prompt']}{mark}{row['reference']}\n" for row in rows]
            lines = f"prompt{mark}reference\n" + "".join(values)
        data = lines.encode()
        (tmp_path / name.format(split)).write_bytes(
            gzip.compress(data, mtime=0) if "gz" in name else data
        )
    for split, wanted in (("train", 30), ("test", 5), ("validation", 5), (None, 5)):
        env = SelfCorrectEnv(str(tmp_path), split=split)
        assert len(env.problems) == wanted
        assert env.problems.split == (split or "test")
    train, test = (SelfCorrectEnv(tmp_path, split=s).problems for s in ("train", "test"))
    assert not {p.prompt for p in train} & {p.prompt for p in test}
    with pytest.raises(ProblemSetError, match="no file whose name says 'tuning'"):
        SelfCorrectEnv(tmp_path, split="tuning")
    with pytest.raises(ProblemSetError, match="holdout=… divides problems without splits"):
        SelfCorrectEnv(tmp_path, holdout=0.1)


@pytest.mark.parametrize("name", ["valid.jsonl", "val.jsonl", "dev.jsonl"])
def test_other_words_for_validation(tmp_path, name):
    write(tmp_path / name)
    assert len(SelfCorrectEnv(tmp_path, split="validation").problems) == 40


@pytest.mark.parametrize("problems", ["file", "rows", "set", "set named test"])
def test_problems_without_splits_refuse_to_be_two_things(tmp_path, problems):
    given = {
        "file": str(write(tmp_path / "mine.jsonl")),
        "rows": ROWS,
        "set": ProblemSet.from_records(ROWS),
        "set named test": ProblemSet.from_records(ROWS, split="test"),
    }[problems]
    own = "test" if problems == "set named test" else "all"
    assert not has_splits(given)
    assert SelfCorrectEnv(given).problems.split == own
    assert SelfCorrectEnv(given, split=own).problems.split == own
    with pytest.raises(ProblemSetError, match=r"no split 'train'.*holdout=0.1.*train\.jsonl"):
        SelfCorrectEnv(given, split="train")
    train, test = (SelfCorrectEnv(given, split=s, holdout=0.3).problems for s in ("train", "test"))
    assert (train.split, test.split) == ("train", "test")
    assert len(train) + len(test) == 40
    assert SelfCorrectEnv(given, holdout=0.3).problems == test
    with pytest.raises(ProblemSetError, match="the splits are 'train' and 'test', not 'dev'"):
        SelfCorrectEnv(given, split="dev", holdout=0.3)


@given(
    st.lists(st.text(st.characters(codec=None), max_size=6), min_size=1, max_size=30),
    st.floats(0.05, 0.95),
    st.integers(0, 2**31),
)
def test_a_holdout_is_disjoint_complete_and_stable(statements, share, seed):
    problems = ProblemSet.from_records([{"prompt": s, "reference": "1"} for s in statements])
    held_out = {p.id for p in problems if is_held_out(p.prompt, share)}
    if not 0 < len(held_out) < len(problems):
        with pytest.raises(ProblemSetError, match=r"puts none of the .* in the split"):
            problems.train_test_split(share)
        return
    train, test = problems.train_test_split(share)
    assert {p.id for p in test} == held_out
    assert [p.id for p in train] == [p.id for p in problems if p.id not in held_out]
    sides = [{statement_hash(p.prompt) for p in part} for part in (train, test)]
    assert not sides[0] & sides[1]  # the same text is on one side
    shuffled, grown = problems.shuffle(seed), list(problems)[: len(problems) // 2 + 1]
    assert {p.id for p in shuffled.train_test_split(share)[1]} == held_out
    assert [p.id for p in grown if is_held_out(p.prompt, share)] == [
        p.id for p in grown if p.id in held_out
    ]


def test_a_holdout_has_about_its_share():
    """Within five standard errors (the texts are fixed)."""
    problems = ProblemSet.from_records([{"prompt": str(i), "reference": 1} for i in range(10_000)])
    for share in (0.02, 0.1, 0.5):
        held_out = len(problems.train_test_split(share)[1]) / 10_000
        assert abs(held_out - share) < 5 * (share * (1 - share) / 10_000) ** 0.5


@pytest.mark.parametrize(
    ("holdout", "error"),
    [
        (0, ProblemSetError),
        (1, ProblemSetError),
        (-0.1, ProblemSetError),
        (float("nan"), ValueError),
        ("10%", TypeError),
        (True, TypeError),
        ([0.1], TypeError),
    ],
)
def test_a_holdout_must_be_a_share(holdout, error):
    with pytest.raises(error, match="holdout must be a number between 0 and 1, got"):
        SelfCorrectEnv(ROWS, holdout=holdout)


# -- columns and rows in memory --------------------------------------------------------------------
def test_columns_are_named_in_every_way(tmp_path):
    wanted = list(ProblemSet.from_records(ROWS))
    file = write(tmp_path / "q.jsonl", OTHER)
    for problems in (str(file), file, OTHER):
        assert list(SelfCorrectEnv(problems, **NAMES).problems) == wanted
        envs = SelfCorrectVectorEnv(2, problems, **NAMES)
        assert list(envs.problems) == wanted
    env = gym.make("SelfCorrect-MATH-v0", problems=str(file), **NAMES)
    assert list(env.unwrapped.problems) == wanted
    for build in (ProblemSet.from_records, ProblemSet.from_dataset):
        assert list(build(OTHER, **NAMES)) == wanted
    assert list(ProblemSet.from_file(file, **NAMES)) == wanted
    by_function = SelfCorrectEnv(OTHER, **NAMES | {"id_column": lambda row: row["question"][:2]})
    assert by_function.problems[3].id == "3 "
    with pytest.raises(
        ProblemSetError, match=r"no column 'prompt'.*prompt_column=… \(--prompt-col"
    ):
        SelfCorrectEnv(file)
    with pytest.raises(TypeError, match=r"Unknown option 'prompt': .* have prompt_column"):
        SelfCorrectEnv(file, prompt="question")
    with pytest.raises(TypeError, match="'gsm8k' has no option 'prompt_column'; it has path"):
        SelfCorrectEnv("gsm8k", prompt_column="question")


def test_a_small_number_is_written_as_a_decimal():
    rows = [{"prompt": "p", "reference": value} for value in (0.00005, 2e-7, 0.1, 1e22, 1e-5, 3)]
    found = [problem.reference for problem in ProblemSet.from_records(rows)]
    assert found == ["0.00005", "0.0000002", "0.1", "1" + 22 * "0", "0.00001", "3"]


def test_cells_that_a_table_lacks_are_no_values():
    """pandas fills them with NaN."""
    nan = float("nan")
    rows = [
        {"id": nan, "prompt": "1 + 1", "reference": "2", "first_attempt": "3", "note": nan},
        {"id": "b", "prompt": "2 + 2", "reference": "4", "first_attempt": nan, "note": "n"},
    ]
    rows[0]["accepted_answers"], rows[1]["accepted_answers"] = nan, ["four"]
    first, second = ProblemSet.from_records(rows)
    assert (first.id, second.id) == ("0", "b")
    assert first.metadata == {"first_attempt": "3"}
    assert second.metadata == {"note": "n", "accepted_answers": ["four"]}
    assert len(Prompts("p").first(second)) == 1
    with pytest.raises(ProblemSetError, match="reference must be text or a finite number"):
        ProblemSet.from_records([{"prompt": "p", "reference": nan}])


def test_a_data_frame():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([{**row, "level": i} for i, row in enumerate(ROWS)])
    problems = SelfCorrectEnv(frame, verifier="math").problems
    assert [(p.prompt, p.reference) for p in problems] == [
        (r["prompt"], r["reference"]) for r in ROWS
    ]
    assert problems[7].metadata["level"] == 7
    assert len(problems.fingerprint) == 16
    train, test = (SelfCorrectEnv(frame, split=s, holdout=0.5).problems for s in ("train", "test"))
    assert len(train) + len(test) == 40
    frame.loc[3, "reference"] = float("nan")
    with pytest.raises(ProblemSetError, match="record 3: the problem's reference must be"):
        SelfCorrectEnv(frame)


def test_a_dataset_and_its_splits(tmp_path):
    datasets = pytest.importorskip("datasets")
    whole = datasets.Dataset.from_list(OTHER)
    splits = datasets.DatasetDict(
        train=datasets.Dataset.from_list(OTHER[:30]), test=datasets.Dataset.from_list(OTHER[30:])
    )
    whole.save_to_disk(tmp_path / "whole")
    splits.save_to_disk(tmp_path / "splits")
    for problems in (whole, tmp_path / "whole", str(tmp_path / "whole")):
        assert list(SelfCorrectEnv(problems, **NAMES).problems) == list(
            ProblemSet.from_records(ROWS)
        )
        assert len(SelfCorrectEnv(problems, **NAMES, split="test", holdout=0.5).problems) < 40
    for problems in (splits, tmp_path / "splits", str(tmp_path / "splits")):
        assert has_splits(problems)
        for split, size in (("train", 30), ("test", 10), (None, 10)):
            env = SelfCorrectEnv(problems, split=split, **NAMES)
            assert (len(env.problems), env.problems.split) == (size, split or "test")
        with pytest.raises(UnknownNameError, match=r"'dev'.* Known: test, train"):
            SelfCorrectEnv(problems, split="dev", **NAMES)
    assert len(ProblemSet.from_dataset(splits, split="train", **NAMES)) == 30
    assert len(ProblemSet.from_dataset(str(tmp_path / "whole"), **NAMES)) == 40
    (tmp_path / "whole" / "state.json").write_text("{}")
    with pytest.raises(ProblemSetError, match=r"state\.json: does not name the data files"):
        SelfCorrectEnv(tmp_path / "whole")
    (tmp_path / "splits" / "dataset_dict.json").write_text("[")
    with pytest.raises(ProblemSetError, match=r"dataset_dict\.json: does not name the splits"):
        SelfCorrectEnv(tmp_path / "splits")


def test_rows_by_split():
    splits = {"train": ROWS[:30], "test": ROWS[30:]}
    assert len(SelfCorrectEnv(splits, split="train").problems) == 30
    with pytest.raises(UnknownNameError, match=r"Unknown split 'dev'\. Known: test, train"):
        SelfCorrectEnv(splits, split="dev")
    with pytest.raises(UnknownNameError, match="give columns as a list of dicts"):
        SelfCorrectEnv({"prompt": ["1 + 1 = ?"], "reference": ["2"]})


# -- references and prompts that are lists ---------------------------------------------------------
def test_a_list_with_one_element_counts_as_its_element():
    rows = [{"prompt": [{"role": "user", "content": "1 + 1?"}], "reference": ["2"]}]
    (problem,) = SelfCorrectEnv(rows).problems
    assert (problem.prompt, problem.reference) == ("1 + 1?", "2")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "x", "reference": ["2", None]}, "reference must be text or a finite number"),
        ({"prompt": "x", "reference": ["2", ["two"]]}, "reference must be text or a finite number"),
        ({"prompt": "x", "reference": []}, "empty list; it needs at least one answer"),
        (
            {
                "prompt": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "x"},
                ],
                "reference": "y",
            },
            r"roles \['system', 'user'\].*prompts=Prompts\(system=…\)",
        ),
        ({"prompt": [{"role": "assistant", "content": "x"}], "reference": "y"}, "one user message"),
        ({"prompt": [{"role": "user", "content": None}], "reference": "y"}, "must be text"),
    ],
)
def test_other_lists_are_refused_with_what_to_do(row, message):
    with pytest.raises(ProblemSetError, match=message):
        SelfCorrectEnv([row])


# -- paths and names -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name", ["mine.xlsx", "mine.txt", "mine.pkl", "mine.csv.zip", "mine.json5"]
)
def test_an_unknown_format_says_which_are_known(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(
        ProblemSetError, match=r"of an unknown format\. Expected .*\.jsonl.*\.parquet"
    ):
        SelfCorrectEnv(str(tmp_path / name))


@pytest.mark.parametrize(
    "path", ["nowhere.xlsx", "nowhere.csv", "data/nowhere", "./nowhere", "~/nowhere/train", "a.b"]
)
def test_a_path_that_does_not_exist_says_so(path):
    with pytest.raises(ProblemSetError, match=r"no file or folder .*(nowhere|'a\.b')"):
        SelfCorrectEnv(path)


def test_a_data_set_of_the_hub_is_not_a_path():
    with pytest.raises(ProblemSetError, match=r"ProblemSet\.from_dataset\('openai/gsm8k'"):
        SelfCorrectEnv("openai/gsm8k")


def test_a_name_comes_before_a_file_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "arithmetic" / "test.jsonl")
    assert SelfCorrectEnv("arithmetic", size=5).problems.name == "arithmetic"
    assert len(SelfCorrectEnv("./arithmetic").problems) == 40
    write(tmp_path / "totals" / "test.jsonl")
    assert len(SelfCorrectEnv("totals").problems) == 40
    with pytest.raises(UnknownNameError, match="Did you mean 'arithmetic'"):
        SelfCorrectEnv("aritmetic")


def test_what_has_splits(tmp_path):
    write(tmp_path / "train.jsonl")
    for problems in (None, "arithmetic", "no-such-set", tmp_path, str(tmp_path), {"train": ROWS}):
        assert has_splits(problems)
    for problems in (tmp_path / "train.jsonl", "nowhere.csv", ROWS, ProblemSet.from_records(ROWS)):
        assert not has_splits(problems)
        assert has_splits(problems, holdout=0.1)


# -- options of named sets -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("arithmetic", {"operations": "nine"}, "'operations' .* must be an integer, got 'nine'"),
        ("arithmetic", {"operations": 2.5}, "'operations' .* must be an integer, got 2.5"),
        ("arithmetic", {"operations": True}, "'operations' .* must be an integer, got True"),
        ("arithmetic", {"multiply": "often"}, "'multiply' .* must be a number, got 'often'"),
        ("arithmetic", {"size": [3]}, r"'size' .* must be .*integer.*, got \[3\]"),
        ("toycode", {"seed": "x"}, "'seed' .* must be an integer, got 'x'"),
        ("procedural", {"size": "many"}, "'size' .* must be .*integer"),
        ("code", {"size": "many"}, "'size' .* must be .*integer"),
        ("gsm8k", {"path": 3}, "'path' .* must be .*text or a path"),
        ("mbpp", {"challenge": "yes"}, "'challenge' .* must be true or false, got 'yes'"),
    ],
)
def test_an_option_of_a_wrong_type_is_named(name, options, message):
    with pytest.raises(TypeError, match=message):
        resolve_problems(name, **options)


def test_options_of_the_right_type_are_accepted():
    import numpy as np

    assert len(resolve_problems("arithmetic", size=np.int64(5), multiply=1)) == 5
