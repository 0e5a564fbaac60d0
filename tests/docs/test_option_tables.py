"""The tables of options say what the configurations do: every option exists, with its default."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from selfcorrect_agents import (
    Evaluation,
    MultiTurnRLConfig,
    PAGConfig,
    PairSFTConfig,
    RISEConfig,
    SB3PPOConfig,
    SCoReConfig,
    ServedConfig,
    SingleTurnRLConfig,
    STaRConfig,
    TemplateConfig,
    ThinkTwiceConfig,
    flat,
)
from selfcorrect_agents.cli.train import TrainOptions
from selfcorrect_agents.methods.pag.verification import Verification

DOCS = Path(__file__).parents[2] / "docs"

CONFIGURATIONS: dict[str, list[Any]] = {
    "methods/score.md": [SCoReConfig()],
    "methods/multiturn_rl.md": [MultiTurnRLConfig()],
    "methods/single_turn_rl.md": [SingleTurnRLConfig()],
    "methods/pag.md": [PAGConfig(), Verification()],
    "methods/thinktwice.md": [ThinkTwiceConfig()],
    "methods/sft.md": [PairSFTConfig()],
    "methods/star.md": [STaRConfig()],
    "methods/rise.md": [RISEConfig()],
    "methods/sb3.md": [SB3PPOConfig()],
    "methods/served.md": [ServedConfig(model="M")],
    "how-to/held-out.md": [Evaluation()],
    "how-to/learning-rate.md": [SCoReConfig()],
    "how-to/lora.md": [TrainOptions()],
}
"""Page -> what holds the options of its table."""

VALUE = re.compile(r"(`[^`]+`|[\d,]+(?:\.\d+)?|off|none)(?: \(.*\))?")
"""A default that is nothing but a value, perhaps with a remark in brackets."""


def rows(text: str, head: str) -> Iterator[list[str]]:
    """Yield the rows of the tables whose first column is called ``head``."""
    within = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            within = False
        elif cells[0] == head:
            within = True
        elif within and not set(line) <= set("|-: "):
            yield cells


def options(page: str) -> Iterator[tuple[str, str]]:
    """Yield the options of a page's table, each with its default; "" where there is none."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for names, default, *meaning in rows(text, "option"):
        flags = re.findall(r"`--([\w.-]+)`", names)
        shown = default.split(", ") if meaning and len(flags) > 1 else [default if meaning else ""]
        for index, flag in enumerate(flags):
            yield flag, shown[index] if len(shown) == len(flags) else ""


def known(page: str) -> dict[str, Any]:
    template = flat(TemplateConfig()) if page == "methods/served.md" else {}
    return {f"template.{name}": value for name, value in template.items()} | {
        name.replace("_", "-"): value
        for configuration in CONFIGURATIONS[page]
        for name, value in flat(configuration).items()
    }


def says(shown: str, value: Any) -> bool | None:
    """Return whether a default is as shown; None if it is in words."""
    found = VALUE.fullmatch(shown)
    if found is None:
        return None
    text = found[1]
    if text == "off":
        return value is False
    if text == "none":
        return value in (None, (), "")
    if text.startswith("`"):
        return str(value) == text.strip("`")
    return value is not None and float(value) == float(text.replace(",", ""))


@pytest.mark.parametrize("page", CONFIGURATIONS)
def test_the_options_of_a_table_exist(page: str) -> None:
    found = [flag.removeprefix("no-") for flag, _ in options(page)]
    assert found
    assert [flag for flag in found if flag not in known(page)] == []


@pytest.mark.parametrize("page", CONFIGURATIONS)
def test_the_defaults_of_a_table_are_those_of_the_code(page: str) -> None:
    values = known(page)
    wrong = [
        (flag, shown, values[flag])
        for flag, shown in options(page)
        if flag in values and says(shown, values[flag]) is False
    ]
    assert wrong == []


def test_most_defaults_are_compared() -> None:
    compared = [
        flag
        for page in CONFIGURATIONS
        for flag, shown in options(page)
        if says(shown, known(page).get(flag)) is not None
    ]
    assert len(compared) > 40


def test_the_options_of_the_loss_are_fields_with_their_defaults() -> None:
    text = (DOCS / "methods" / "loss-options.md").read_text(encoding="utf-8")
    field, seen = "", {}
    for cells in rows(text, "field"):
        field = cells[0].strip("`") or field
        if cells[1].endswith(" (default)"):
            seen[field] = cells[1].removesuffix(" (default)").strip("`")
    values = flat(SCoReConfig())
    assert len(seen) == 8
    for name, shown in seen.items():
        number = re.fullmatch(r"[\d.]+", shown)
        assert (float(values[name]) == float(shown)) if number else (str(values[name]) == shown)


@pytest.mark.parametrize(
    ("shown", "value", "same"),
    [
        ("0.15", 0.15, True),
        ("0.15", 0.1, False),
        ("10,000", 10_000, True),
        ("0 (16 in `one-gpu`)", 0, True),
        ("off", True, False),
        ("`right`", "right", True),
        ("none", None, True),
        ("the server's", None, None),
    ],
)
def test_a_default_is_read(shown: str, value: Any, same: bool | None) -> None:
    assert says(shown, value) is same


def test_rows_are_read() -> None:
    text = "| option | default |\n| --- | --- |\n| `--a` | 1 \\| 2 |\n\n| x | y |\n| 1 | 2 |\n"
    assert list(rows(text, "option")) == [["`--a`", "1 \\| 2"]]
