"""Every ```python block of README.md runs unchanged, in a process and a folder of its own.

An OpenAI-compatible server listens while they run; OPENAI_BASE_URL and OPENAI_API_KEY lead there.
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
SHORT_UNDER = "Plugging in"
LIMIT = 15
SECONDS = 300


@dataclass(frozen=True)
class Block:
    """A fenced ``python`` block: its first line's number and the headings that it is under."""

    line: int
    headings: tuple[str, ...]
    code: str


def python_blocks(text: str) -> list[Block]:
    """Return the ``python`` blocks of a Markdown text, in order."""
    blocks: list[Block] = []
    headings: dict[int, str] = {}
    fence: str | None = None
    code: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if fence is not None:
            if line.strip() == "```":
                if fence == "python":
                    first = number - len(code)
                    blocks.append(Block(first, tuple(headings.values()), "\n".join(code) + "\n"))
                fence = None
            else:
                code.append(line)
        elif line.startswith("```"):
            fence, code = line[3:].strip(), []
        elif line.startswith("#"):
            level = len(line) - len(line.lstrip("#"))
            headings = {k: v for k, v in headings.items() if k < level}
            headings[level] = line.lstrip("# ").strip()
    if fence is not None:
        raise ValueError(f"the block that ends the text is not closed: {code[:1]}")
    return blocks


def shown_output(block: Block) -> list[str]:
    """Return the lines of output that a block shows as comments; "…" cuts a line short."""
    return [line[2:] for line in block.code.splitlines() if line.startswith("# ")]


BLOCKS = python_blocks(README.read_text(encoding="utf-8"))


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


def test_the_readme_shows_how_to_plug_in() -> None:
    assert len([block for block in BLOCKS if SHORT_UNDER in block.headings]) >= 5


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


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"line{block.line}")
def test_plugging_in_takes_few_lines(block: Block) -> None:
    if SHORT_UNDER in block.headings:
        assert len(block.code.splitlines()) < LIMIT, f"README.md line {block.line}"


def test_blocks_are_found_with_their_headings() -> None:
    text = (
        "# Title\n## Plugging in\n### An agent\n```python\nx = 1\n# no heading\n```\n"
        "```bash\nls\n```\n## After\n```python\ny = 2\n```\n"
    )
    assert python_blocks(text) == [
        Block(5, ("Title", "Plugging in", "An agent"), "x = 1\n# no heading\n"),
        Block(13, ("Title", "After"), "y = 2\n"),
    ]
