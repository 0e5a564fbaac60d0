"""What every command has in common: --quiet, --json, NO_COLOR, no access to the network."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from selfcorrect_env.cli.main import GLOBAL_OPTIONS, main
from selfcorrect_env.terminal import is_quiet, quietly, status_line

ID = "SelfCorrect-Arithmetic-v0"
SCRIPT = Path(sys.executable).parent / "selfcorrect"
COLOURS = re.compile(r"\x1b\[(?:[\d;]*;)?(?:3[0-7]|38;|4[0-7]|48;|9[0-7]|10[0-7])[\d;]*m")

AGENT = """
import dataclasses

def zero(conversation):
    return "0"

class Loud:
    @dataclasses.dataclass
    class Config:
        quiet: bool = False

    @classmethod
    def from_config(cls, config):
        return cls()

    def act(self, conversations):
        return ["0"] * len(conversations)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "an_agent.py").write_text(AGENT)
    return tmp_path


def on_a_terminal(words: list[str], folder: Path, **variables: str) -> str:
    """Return what a command writes to a terminal of 100 columns."""
    settings = {"TERM": "xterm-256color", "COLUMNS": "100", "HF_HUB_OFFLINE": "1", **variables}
    own, other = pty.openpty()
    with subprocess.Popen(
        [SCRIPT, *words],
        cwd=folder,
        env={**{k: v for k, v in os.environ.items() if k != "NO_COLOR"}, **settings},
        stdin=subprocess.DEVNULL,
        stdout=other,
        stderr=other,
    ):
        os.close(other)
        parts = []
        while True:
            try:
                part = os.read(own, 65536)
            except OSError:  # the end, on Linux
                break
            if not part:
                break
            parts.append(part)
    os.close(own)
    return b"".join(parts).decode("utf-8", errors="replace")


EVAL = ["eval", "an_agent:zero", "--env", ID, "--n", "5"]


@pytest.mark.parametrize(
    "words",
    [["list"], ["eval", "--help"], EVAL, ["play", ID]],
    ids=lambda words: words[0] + words[-1],
)
def test_no_color_leaves_out_colours(folder: Path, words: list[str]) -> None:
    plain = on_a_terminal(words, folder, NO_COLOR="1")
    assert COLOURS.search(plain) is None
    assert len(plain) > 100


def test_colours_are_found_where_they_are_wanted(folder: Path) -> None:
    assert COLOURS.search(on_a_terminal(["eval", "--help"], folder))
    assert COLOURS.search(on_a_terminal(EVAL, folder))


def test_quiet_leaves_results_and_errors(folder: Path) -> None:
    loud = on_a_terminal([*EVAL, "--out", "loud"], folder)
    quiet = on_a_terminal([*EVAL, "--out", "quiet", "--quiet"], folder)
    assert "0:00:00" in loud  # the progress bar's time
    assert "Report and episodes: loud" in loud
    assert "0:00:00" not in quiet
    assert "Report and episodes" not in quiet
    assert "accuracy@t2" in quiet
    assert "must be at least 1" in on_a_terminal(["--quiet", *EVAL, "--n", "0"], folder)


def test_quiet_ends_with_its_context(capfd: pytest.CaptureFixture[str]) -> None:
    with quietly():
        assert is_quiet()
        with status_line("working") as show:
            show("still working")
    assert capfd.readouterr() == ("", "")
    assert not is_quiet()
    with quietly(False):
        assert not is_quiet()


def test_an_agents_option_of_a_global_name_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Otherwise the agent would never see it."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    assert main(["eval", "an_agent:Loud", "--env", ID]) == 2
    assert "(quiet); they need other names" in capsys.readouterr().err


JSON = {
    "list": ["list"],
    "validate": ["validate", ID, "--n", "5", "--out", "found.json"],
    "eval": [*EVAL, "--out", "run"],
    "rescore": ["rescore", "run", "--verifier", "exact", "--out", "again"],
}


def test_json_is_all_that_stdout_holds(folder: Path) -> None:
    """Every command that has --json, one after another: each reads what one before it wrote."""
    printed = {}
    for name, words in JSON.items():
        done = subprocess.run(
            [SCRIPT, *words, "--json"], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, 1), done.stderr
        printed[name] = json.loads(done.stdout)
    assert printed["validate"] == json.loads((folder / "found.json").read_text())
    assert printed["eval"]["metrics"]["episodes"] == 5
    assert printed["rescore"] == json.loads((folder / "again" / "differences.json").read_text())


def test_help_says_how_to_switch_things_on() -> None:
    done = subprocess.run([SCRIPT, "--help"], capture_output=True, text=True, check=True)
    for word in (*GLOBAL_OPTIONS, "completion --help", "NO_COLOR", "SELFCORRECT_CACHE", "HF_HOME"):
        assert word in done.stdout


WATCH = """
import sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"):
        import os
        os.write(2, f"NETWORK {event} {arguments}\\n".encode())
        os._exit(9)
sys.addaudithook(watch)
sys.path.insert(0, ".")
"""


@pytest.mark.parametrize(
    "code",
    [
        "import selfcorrect_env, selfcorrect_env.cli.main, selfcorrect_env.verifiers",
        "import selfcorrect_agents; selfcorrect_agents.SCoRe",
        f"from selfcorrect_env.cli.main import main; main({EVAL})",
        "from selfcorrect_env.cli.main import main; main(['list']); main(['--help'])",
    ],
)
def test_nothing_is_sent_or_looked_up(folder: Path, code: str) -> None:
    """Neither on import nor by commands on built-in problems: there is no telemetry."""
    command = [sys.executable, "-c", WATCH + code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_watch_sees_a_connection() -> None:
    code = f"{WATCH}\nimport socket\nsocket.create_connection(('127.0.0.1', 9))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 9
