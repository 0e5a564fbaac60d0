"""The options that every command with an environment has."""

import json
from dataclasses import dataclass

import pytest

from selfcorrect_env.cli.options import EnvOptions, make_env, parse
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


# -- help ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Part:
    """A part."""

    deep: float | None = None
    """A text that continues
    in a second line."""


@dataclass(frozen=True)
class Described(EnvOptions):
    """Options."""

    part: Part = Part()
    """Its part."""
    plain: int = 3
    """Of one line."""
    many: tuple[str, ...] = ()
    """Words; by default
    none."""


def test_help_texts_flow_and_end_with_no_default_that_is_nothing(capsys):
    with pytest.raises(SystemExit):
        parse(Described, ["--help"], prog="p", about="About.")
    printed = capsys.readouterr().out
    assert "A text that continues in a second line. " in printed
    assert "Words; by default none. " in printed
    assert "Of one line. (default: 3)" in printed
    assert "(repeatable)" in printed
    assert "(default: )" not in printed
    assert "None)" not in printed
