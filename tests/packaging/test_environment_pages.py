"""Every environment id has a page in Gymnasium's order, whose tables say what the code does."""

import inspect
import re
from pathlib import Path

import pytest

from selfcorrect_env import SelfCorrectEnv
from selfcorrect_env.problems.sources import SOURCES
from selfcorrect_env.registration import ATTEMPTS, ENVIRONMENTS

SECTIONS = [
    "Description",
    "Action space",
    "Observation space",
    "Starting state",
    "Rewards",
    "Episode end",
    "Information",
    "Arguments",
    "Version history",
    "References",
]
"""The sections of Gymnasium's own pages, in their order."""

FOLDER = Path(__file__).parents[2] / "docs" / "environments"
SHARED = "README.md"
TOPICS = {"data.md", "own-problems.md", "prompts.md"}
"""Pages of the folder that are about no id."""

PAGES = sorted(p.name for p in FOLDER.glob("*.md") if p.name not in {SHARED, *TOPICS})
FURTHER_SETS = {"math.md": ["procedural"]}
"""Problem sets without an id whose options are on a page."""


def read(page: str) -> str:
    return (FOLDER / page).read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    return re.split(r"^## ", text.partition(f"\n## {heading}\n")[2], flags=re.MULTILINE)[0]


def rows(text: str, first: str) -> list[list[str]]:
    """Return the rows of the tables whose header starts with ``first``, without back quotes."""
    found, within = [], False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("|"):
            within = False
        elif cells[0] == first:
            within = True
        elif within and not set(line) <= set("|- "):
            found.append([cell.strip("`") for cell in cells])
    return found


def ids(page: str) -> list[list[str]]:
    return rows(read(page), "id")


def options(sets: list[str]) -> dict[str, object]:
    """Return the options of problem sets with their defaults."""
    parameters = {
        name: parameter.default
        for problem_set in sets
        for name, parameter in inspect.signature(SOURCES[problem_set].function).parameters.items()
    }
    del parameters["split"]
    return parameters


def test_every_id_is_on_one_page_and_in_the_list() -> None:
    on_pages = [row[0] for page in PAGES for row in ids(page)]
    assert sorted(on_pages) == sorted(ENVIRONMENTS)
    listed = re.findall(r"\| \[[^]]*\]\((\S+)\) \| ([^|]*) \|", read(SHARED))
    assert {page: re.findall(r"`(\S+?)`", cell) for page, cell in listed} == {
        page: [row[0] for row in ids(page)] for page in PAGES
    }


@pytest.mark.parametrize("page", PAGES)
def test_the_sections_are_gymnasiums(page: str) -> None:
    assert re.findall(r"^## (.*)$", read(page), flags=re.MULTILINE) == SECTIONS
    assert all(section(read(page), heading).strip() for heading in SECTIONS)


@pytest.mark.parametrize("page", PAGES)
def test_an_id_is_shown_with_its_parts(page: str) -> None:
    for id, problem_set, verifier, prompts in ids(page):
        source = SOURCES[ENVIRONMENTS[id]]
        assert (problem_set, verifier, prompts) == (
            ENVIRONMENTS[id],
            source.verifier,
            source.prompts,
        )
        attempts = {1: "one attempt", 2: "two attempts"}[ATTEMPTS.get(id, 2)]
        assert section(read(page), "Episode end").strip() == f"After {attempts}."
        assert f"{id.rpartition('-')[2]}: " in section(read(page), "Version history")


@pytest.mark.parametrize("page", PAGES)
def test_an_example_of_the_first_id_comes_before_the_tables(page: str) -> None:
    example = read(page).partition("\n| ")[0]
    assert "```python\nimport gymnasium" in example
    assert f'"{ids(page)[0][0]}"' in example


@pytest.mark.parametrize("page", PAGES)
def test_the_options_are_those_of_the_problem_sets(page: str) -> None:
    sets = [row[1] for row in ids(page)] + FURTHER_SETS.get(page, [])
    shown = {name: default for name, default, _ in rows(section(read(page), "Arguments"), "option")}
    expected = {name: repr(value).replace("'", '"') for name, value in options(sets).items()}
    assert shown == expected


def test_the_common_arguments_are_those_of_the_environment() -> None:
    shown = [row[0] for row in rows(section(read(SHARED), "Arguments"), "argument")]
    parameters = inspect.signature(SelfCorrectEnv.__init__).parameters
    assert sorted(shown) == sorted({*parameters, "any other"} - {"self", "options"})


def test_tables_are_read() -> None:
    text = "| id | set |\n| --- | --- |\n| `A-v0` | `a` |\n\n| x | y |\n| --- | --- |\n| 1 | 2 |\n"
    assert rows(text, "id") == [["A-v0", "a"]]
    assert rows(text, "x") == [["1", "2"]]
    assert rows(text, "z") == []
