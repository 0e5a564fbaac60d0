"""One line about a class, read from its source: nothing is imported for it."""

import sys
from pathlib import Path

import pytest

from selfcorrect_env.docstrings import docstring_line


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that can't be imported: importing any of it raises."""
    folder = tmp_path / "unimportable"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text("from unimportable.inner import Agent\nraise ImportError\n")
    (folder / "inner" / "__init__.py").write_text(
        "from .agents import Agent as Renamed, act\nfrom unimportable.inner.agents import Agent\n"
        "raise ImportError\n"
    )
    (folder / "inner" / "agents.py").write_text(
        "raise ImportError\n\n"
        "class Agent:\n    '''Answers.\n\n    At length.\n    '''\n\n"
        "def act(conversation):\n    '''Answers once.'''\n\n"
        "class Bare:\n    pass\n\n"
        "made = Agent()\n"
    )
    (tmp_path / "single_file.py").write_text("class Agent:\n    '''In one file.'''\n")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


@pytest.mark.parametrize(
    ("import_path", "line"),
    [
        ("unimportable.inner.agents:Agent", "Answers."),
        ("unimportable.inner:Agent", "Answers."),
        ("unimportable.inner:Renamed", "Answers."),
        ("unimportable:Agent", "Answers."),
        ("unimportable.inner:act", "Answers once."),
        ("single_file:Agent", "In one file."),
        ("unimportable.inner.agents:Bare", None),
        ("unimportable.inner.agents:made", None),
        ("unimportable.inner.agents:Missing", None),
        ("unimportable.inner.agents:Agent.act", None),
        ("unimportable.nowhere:Agent", None),
        ("no_such_package.module:Agent", None),
        ("sys:exit", None),
        ("unimportable", None),
        ("", None),
        (":", None),
    ],
)
@pytest.mark.usefixtures("package")
def test_the_first_line_is_read(import_path: str, line: str | None) -> None:
    assert docstring_line(import_path) == line
    assert "unimportable" not in sys.modules


def test_a_circle_of_imports_ends(package: Path) -> None:
    (package / "a.py").write_text("from unimportable.b import Agent\n")
    (package / "b.py").write_text("from unimportable.a import Agent\n")
    assert docstring_line("unimportable.a:Agent") is None


@pytest.mark.parametrize("text", ["class Agent(:\n", "class Agent:\n    '''\udcff'''\n"])
def test_a_broken_file_has_no_line(package: Path, text: str) -> None:
    (package / "broken.py").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert docstring_line("unimportable.broken:Agent") is None
