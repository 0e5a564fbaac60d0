"""The options that every command with an environment has."""

import json

import pytest

from selfcorrect_env.cli.options import EnvOptions, make_env
from selfcorrect_env.errors import SelfCorrectError, UsageError

MATH = "SelfCorrect-MATH-v0"
ARITHMETIC = "SelfCorrect-Arithmetic-v0"
ROWS = [{"question": f"{i} + {i} = ?", "gold": 2 * i} for i in range(40)]
COLUMNS = {"prompt_column": "question", "reference_column": "gold"}


@pytest.fixture
def file(tmp_path) -> str:
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return str(path)


def made(id: str, *, default_split: str | None = None, **options):
    return make_env(id, EnvOptions(**options), split=default_split).unwrapped


def test_own_problems_keep_the_verifier_and_prompts_of_the_id(file):
    env = made(MATH, problems=file, **COLUMNS)
    assert (env.verifier.name, env.prompts.name, len(env.problems)) == ("math", "math", 40)
    env = made(MATH, problems=file, **COLUMNS, verifier="exact", prompts="plain", attempts=3)
    assert (env.verifier.name, env.prompts.name, env.attempts) == ("exact", "plain", 3)


def test_columns_and_holdout_may_also_be_options(file):
    pairs = ("prompt_column=question", "reference_column=gold", "holdout=0.3")
    test = made(MATH, problems=file, option=pairs).problems
    train = made(MATH, problems=file, option=pairs, default_split="train").problems
    assert (train.split, test.split, len(train) + len(test)) == ("train", "test", 40)
    assert made(MATH, problems=file, **COLUMNS, holdout=0.3).problems == test


def test_the_default_split_is_used_where_there_are_splits(file):
    assert made(ARITHMETIC, default_split="train").problems.split == "train"
    assert made(ARITHMETIC, default_split="train", problems=file, **COLUMNS).problems.split == "all"
    held_out = made(ARITHMETIC, default_split="train", problems=file, **COLUMNS, holdout=0.3)
    assert held_out.problems.split == "train"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"option": ("operations=nine",)}, "Option 'operations' .* must be an integer, got 'nine'"),
        ({"option": ("nonsense=1",)}, "no option 'nonsense'; it has size, operations"),
        ({"option": ("split=train",), "split": "test"}, "'split' is given twice"),
        ({"option": ("attempts=two",)}, "attempts must be an int"),
        ({"option": ("attempts",)}, "KEY=VALUE"),
        ({"problems": "nowhere.csv"}, "There is no file or folder 'nowhere.csv'"),
        ({"problems": "aritmetic"}, "Did you mean 'arithmetic'"),
        ({"problems": "{file}"}, r"Name the column with .* \(--prompt-column"),
        ({"problems": "{file}", "holdout": 1.5, **COLUMNS}, "between 0 and 1, got 1.5"),
        ({"problems": "{file}", "split": "train", **COLUMNS}, "no split 'train'"),
        ({"holdout": 0.5}, "no option 'holdout'"),
        ({"split": "tets"}, "Did you mean 'test'"),
    ],
)
def test_an_invalid_option_is_one_sentence(options, message, file):
    options = {k: v.format(file=file) if isinstance(v, str) else v for k, v in options.items()}
    with pytest.raises(SelfCorrectError, match=message) as raised:
        made(ARITHMETIC, **options)
    assert "raised from the environment creator" not in str(raised.value)
    assert isinstance(raised.value, UsageError | ValueError)
