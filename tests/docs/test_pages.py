"""The blocks of the pages run as they are, and quoted code is in the file that it names.

The blocks of a page run in order, in a folder of their own:

    ```python                  runs; the Python blocks of a page share their names
    ```bash                    runs; <!-- exit status 2 --> before it expects that status
    ```text                    directly after one of these: what it prints; … stands for anything
    ```python title="a/b.py"   a quotation, if the repository has that file; else a file that is
                               written to the folder (in any language)
    <!-- not run: REASON -->   before a block: it does not run

The address http://localhost:8000/v1 is that of a stand-in server, whose model answers 7.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import textwrap
import types
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from stand_in_server import StandInServer

ROOT = Path(__file__).parents[2]
FOLDERS = (
    ".",
    "start",
    "environments",
    "explanation",
    "how-to",
    "how-to/troubleshooting",
    "methods",
    "reference",
    "verifiers",
)
PAGES = [page for folder in FOLDERS for page in sorted((ROOT / "docs" / folder).glob("*.md"))]
FAST = ("start", "explanation", "how-to", "arithmetic", "math", "score", "README")
"""Pages and folders that run with every change; the others run with the slow tests."""
LOADS_TORCH = ("lora", "which-gpu", "own-method")
"""Pages of these folders that load torch several times, or train."""
ADDRESS = "http://localhost:8000/v1"
SECONDS = 300

FENCE = re.compile(
    r"(?:^<!-- (?P<remark>[^\n]*?) -->\n+)?"
    r"^(?P<indent> *)```(?P<language>\w+)(?: title=\"(?P<title>[^\"\n]+)\")?\n"
    r"(?P<code>.*?)"
    r"^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


def is_fast(page: Path) -> bool:
    """Whether the blocks of a page run with every change."""
    return bool({page.stem, page.parent.name} & set(FAST)) and page.stem not in LOADS_TORCH


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    line: int
    language: str
    title: str
    code: str
    remark: str
    output: str | None
    """What the page shows directly after the block as its output; None without such a text."""

    @property
    def runs(self) -> bool:
        return (
            self.language in ("python", "bash")
            and not self.title
            and not self.remark.startswith("not run: ")
        )

    @property
    def status(self) -> int:
        found = re.fullmatch(r"exit status (\d+)", self.remark)
        return int(found[1]) if found else 0


def blocks(text: str) -> list[Block]:
    """Return the blocks of a page, in order."""
    found = list(FENCE.finditer(text))
    result = []
    for match, following in zip(found, [*found, None][1:], strict=True):
        output = None
        if (
            following is not None
            and following["language"] == "text"
            and not following["title"]
            and not text[match.end() : following.start()].strip()
        ):
            output = textwrap.dedent(following["code"])
        result.append(
            Block(
                line=text.count("\n", 0, match.start("code")) + 1,
                language=match["language"],
                title=match["title"] or "",
                code=textwrap.dedent(match["code"]),
                remark=match["remark"] or "",
                output=output,
            )
        )
    return result


def prints(shown: str, printed: str) -> bool:
    """Return whether a text is what was printed, where … stands for anything."""
    lines = [[line.rstrip() for line in text.strip().splitlines()] for text in (shown, printed)]
    pattern = ".*".join(map(re.escape, "\n".join(lines[0]).split("…")))
    return re.fullmatch(pattern, "\n".join(lines[1]), re.DOTALL) is not None


class Folder:
    """Where the blocks of one page run."""

    def __init__(self, page: Path, path: Path, url: str) -> None:
        self.page, self.path, self.url = page, path, url
        self.module = types.ModuleType(f"page_{page.stem.replace('-', '_')}")
        for name in ("benchmarks", "examples"):
            (path / name).symlink_to(ROOT / name)

    def run(self, block: Block) -> str:
        """Run a block, and return what it printed."""
        code = block.code.replace(ADDRESS, self.url)
        return self._python(code, block) if block.language == "python" else self._bash(code, block)

    def _python(self, code: str, block: Block) -> str:
        """Run Python; its functions and classes are in a file, so that their source is known."""
        file = self.path / f"{self.module.__name__}.py"
        file.write_text("\n" * (block.line - 1) + code, encoding="utf-8")
        self.module.__file__ = str(file)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(file.read_text("utf-8"), str(file), "exec"), vars(self.module))
        return out.getvalue()

    def _bash(self, code: str, block: Block) -> str:
        tools = Path(sys.executable).parent
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", code],
            cwd=self.path,
            env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "COLUMNS": "100"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            check=False,
            timeout=SECONDS,
        )
        where = f"{self.page.relative_to(ROOT)}:{block.line}"
        assert done.returncode == block.status, f"{where}\n{done.stdout}"
        return done.stdout


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with StandInServer(lambda messages: "7") as server:
        yield server.url


@pytest.mark.filterwarnings("default::selfcorrect_env.UnjudgedWarning")
@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=() if is_fast(page) else pytest.mark.slow) for page in PAGES],
    ids=lambda page: f"{page.parent.name}/{page.stem}",
)
def test_the_blocks_run(
    page: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(page, tmp_path, url)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, folder.module.__name__, folder.module)
    for block in blocks(page.read_text(encoding="utf-8")):
        where = f"{page.relative_to(ROOT)}:{block.line}"
        if block.title and not (ROOT / block.title).exists():
            (tmp_path / block.title).write_text(block.code, encoding="utf-8")
        if block.runs:
            printed = folder.run(block)
            if block.output is not None:
                assert prints(block.output, printed.replace(url, ADDRESS)), f"{where}\n{printed}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.stem}")
def test_quoted_code_is_in_its_file(page: Path) -> None:
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.title and (ROOT / block.title).exists():
            source = (ROOT / block.title).read_text(encoding="utf-8")
            for part in block.code.split("...\n"):  # the linter sets lines of a page anew
                where = f"{page.name}:{block.line} is not in {block.title}:\n{part}"
                assert "".join(part.split()) in "".join(source.split()), where


def test_every_agent_has_a_page() -> None:
    texts = [page.read_text("utf-8") for page in PAGES if page.parent.name == "methods"]
    for agent in entry_points(group="selfcorrect_env.agents"):
        if agent.value.startswith("selfcorrect_agents."):
            assert any(f"`{agent.name}`" in text for text in texts), agent.name


# -- the reader itself -----------------------------------------------------------------------
def test_blocks_are_read() -> None:
    text = (
        "# A page\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n\nAnd\n\n"
        "<!-- not run: takes hours -->\n```bash\nselfcorrect quickstart\n```\n\n"
        '```toml title="x.toml"\na = 1\n```\n\n<!-- exit status 2 -->\n```bash\nfalse\n```\n'
    )
    shown, output, skipped, file, fails = blocks(text)
    assert (shown.runs, shown.code, shown.output, shown.line) == (True, "print(1)\n", "1\n", 4)
    assert (output.runs, skipped.runs, file.runs, file.title) == (False, False, False, "x.toml")
    assert (fails.runs, fails.status, fails.output) == (True, 2, None)


@pytest.mark.parametrize(
    ("shown", "printed", "equal"),
    [
        ("a  \nb", "a\nb\n", True),
        ("a … c", "a 1 b c", True),
        ("a\n…\nc", "a\nx\ny\nc", True),
        ("a", "a\nb", False),
        ("a.c", "abc", False),
    ],
)
def test_what_is_printed_is_compared(shown: str, printed: str, equal: bool) -> None:
    assert prints(shown, printed) is equal
