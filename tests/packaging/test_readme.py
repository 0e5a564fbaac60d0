"""Every block of README.md runs unchanged, in a process and a folder of its own.

An OpenAI-compatible server listens while they run, at the address that the served model's has.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"
SHORT = {"An episode": 15, "Train from Python": 8}
"""Heading -> lines that its block may have."""
SERVER = "http://localhost:8000/v1"
SECONDS = 300


@dataclass(frozen=True)
class Block:
    """A fenced block: its first line's number and the headings that it is under."""

    line: int
    headings: tuple[str, ...]
    code: str


def blocks_of(text: str, language: str) -> list[Block]:
    """Return the fenced blocks of a language in a Markdown text, in order.

    A comment ``<!-- not run: … -->`` before a block leaves it out.
    """
    blocks: list[Block] = []
    headings: dict[int, str] = {}
    fence: str | None = None
    code: list[str] = []
    skipped, before = False, ""
    for number, line in enumerate(text.splitlines(), 1):
        if fence is not None:
            if line.strip() == "```":
                if fence == language and not skipped:
                    first = number - len(code)
                    blocks.append(Block(first, tuple(headings.values()), "\n".join(code) + "\n"))
                fence = None
            else:
                code.append(line)
        elif line.startswith("```"):
            fence, code = line[3:].strip(), []
            skipped = before.startswith("<!-- not run: ")
        elif line.startswith("#"):
            level = len(line) - len(line.lstrip("#"))
            headings = {k: v for k, v in headings.items() if k < level}
            headings[level] = line.lstrip("# ").strip()
        before = line
    if fence is not None:
        raise ValueError(f"the block that ends the text is not closed: {code[:1]}")
    return blocks


def shown_output(block: Block) -> list[str]:
    """Return the lines of output that a block shows as comments; "…" cuts a line short."""
    return [line[2:] for line in block.code.splitlines() if line.startswith("# ")]


TEXT = README.read_text(encoding="utf-8")
BLOCKS = blocks_of(TEXT, "python")
COMMANDS = blocks_of(TEXT, "bash")


class ChatHandler(BaseHTTPRequestHandler):
    """Answers every chat completion with the same reply, in the protocol's form."""

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = self.path.endswith("/chat/completions") and request["messages"]
        message = {"role": "assistant", "content": "The answer is \\boxed{4}."}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        answer = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 0,
            "model": request["model"],
            "choices": [choice],
        }
        body = json.dumps(answer).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the requests are not the test's output."""


@pytest.fixture(scope="module")
def chat_server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), ChatHandler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def test_the_readme_shows_python() -> None:
    assert BLOCKS, "README.md has no ```python block"


def test_the_readme_shows_an_episode_with_its_output() -> None:
    assert "i->c" in shown_output(BLOCKS[0])


def test_the_readme_shows_what_a_user_does_first() -> None:
    shown = {block.headings[-1] for block in (*BLOCKS, *COMMANDS)}
    assert {"An episode", "Train from Python", "Measure a served model", "Your own method"} <= shown


@pytest.mark.parametrize("block", COMMANDS, ids=lambda block: f"line{block.line}")
def test_a_command_runs(block: Block, tmp_path: Path, chat_server: str) -> None:
    script = block.code.replace(SERVER, chat_server)
    assert script.startswith("selfcorrect ")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "OPENAI_API_KEY": "none"},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, f"README.md line {block.line}:\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"line{block.line}")
def test_a_block_runs(block: Block, tmp_path: Path, chat_server: str) -> None:
    script = tmp_path / "block.py"
    script.write_text(block.code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, "OPENAI_BASE_URL": chat_server, "OPENAI_API_KEY": "none"},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, f"README.md line {block.line}:\n{done.stdout}{done.stderr}"
    printed = iter(done.stdout.splitlines())
    for shown in shown_output(block):
        start, cut, _ = shown.partition("…")
        assert any(line.startswith(start) if cut else line == start for line in printed), shown


@pytest.mark.parametrize(("heading", "limit"), SHORT.items())
def test_the_first_blocks_are_short(heading: str, limit: int) -> None:
    (block,) = [block for block in BLOCKS if block.headings[-1] == heading]
    assert len([line for line in block.code.splitlines() if line]) <= limit


def test_blocks_are_found_with_their_headings() -> None:
    text = (
        "# Title\n## Plugging in\n### An agent\n```python\nx = 1\n# no heading\n```\n"
        "```bash\nls\n```\n## After\n```python\ny = 2\n```\n"
        "<!-- not run: it is slow -->\n```python\nz = 3\n```\n"
    )
    assert blocks_of(text, "python") == [
        Block(5, ("Title", "Plugging in", "An agent"), "x = 1\n# no heading\n"),
        Block(13, ("Title", "After"), "y = 2\n"),
    ]
