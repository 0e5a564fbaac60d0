"""Invalid arguments and unusable files: one line on stderr, status 2, no traceback, no work."""

import functools
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from selfcorrect_env.cli import main as cli
from selfcorrect_env.cli.options import at_least
from selfcorrect_env.cli.outputs import output_file, output_folder
from selfcorrect_env.errors import UsageError

ID = "SelfCorrect-Arithmetic-v0"
SCRIPT = Path(sys.executable).parent / "selfcorrect"

AGENT = """
def zero(conversation):
    return "0"

def broken(conversation):
    raise ValueError("a bug")

async def late(problem, response):
    return 1.0

def trl(completions, **kwargs):
    return 1.0
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "some_agents.py").write_text(AGENT)
    (tmp_path / "file").write_text("kept")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("some_agents", None)


def refused(capsys, words):
    """Run a command in this process; return the one line that it prints."""
    status = cli.main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert status == 2, err
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("selfcorrect: ")
    return line


EVAL = ("eval", "some_agents:zero", "--env", ID, "--n", "2")
VALIDATE = ("validate", ID)
LINES = [
    ((*EVAL, "--out", "file"), "'.*file' is a file. Name a folder"),
    ((*EVAL, "--out", "file/deeper"), "'.*file' is a file. Name a folder"),
    ((*EVAL, "--out", "/proc/x"), "--out: cannot write to '/proc/x'"),
    ((*EVAL, "--out", "/proc/x/y"), "--out: cannot write to '/proc/x/y'"),
    ((*EVAL, "--batch-size", "0"), "--batch-size must be at least 1, got 0"),
    ((*EVAL, "--n", "-1"), "--n must be at least 1, got -1"),
    ((*EVAL, "--n", "two"), r"Error parsing --n: .*'two'.* See selfcorrect eval .* --help"),
    ((*EVAL, "--nonsense"), "Unrecognized options: --nonsense"),
    (
        EVAL[:2],
        r"Missing .*--env STR The environment's id, such as \S+-v0\. See ",
    ),
    ((*EVAL, "--option", "operations=nine"), "'operations' .* must be an integer, got 'nine'"),
    ((*EVAL, "--option", "nope=1"), "has no option 'nope'"),
    ((*EVAL, "--verifier", "some_agents:late"), "late is async"),
    ((*EVAL, "--verifier", "some_agents:trl"), "a reward function of TRL"),
    ((*EVAL, "--verifier", "maths"), "Did you mean 'math'"),
    ((*EVAL, "--prompts", "plane"), "Did you mean 'plain'"),
    ((*EVAL, "--problems", "aritmetic"), "Did you mean 'arithmetic'"),
    ((*VALIDATE, "--out", "."), "'.' is not a file"),
    ((*VALIDATE, "--out", "/dev/null"), "'/dev/null' is not a file"),
    ((*VALIDATE, "--out", "/proc/x.json"), "--out: cannot write to '/proc/x.json'"),
    ((*VALIDATE, "--out", "none/x.json"), "there is no folder 'none'"),
    ((*VALIDATE, "--n", "0"), "--n must be at least 1, got 0"),
    (("validate",), "Missing .*ID"),
    (("validate", "Nowhere-v0"), "Nowhere"),
    (("evla",), r"Unknown command 'evla'\. Did you mean 'eval'\? .* See selfcorrect --help\.$"),
    (
        ("eval", "some_agents:zer", "--env", ID),
        "Agent 'some_agents:zer' cannot be imported: module 'some_agents' has no attribute 'zer'$",
    ),
    (("rescore", "none", "--verifier", "exact"), "no episodes at .* or an episodes.jsonl"),
    (("rescore", "file", "--verifier", "exact"), "file, line 1: not an episode"),
    (("rescore", ".", "--verifier", "exact", "--out", "file"), "is a file"),
    (("rescore", ".", "--verifier", "exact", "--out", "/proc/x"), "cannot write to '/proc/x'"),
    (("play", ID, "--index", "-1"), "counts from 0"),
    (("play", ID, "--seed", "-1"), "Seed must be greater or equal to zero"),
    (("doctor", "--nonsense"), "Unrecognized"),
    (("list", "--json", "extra"), "Unrecognized"),
]


@pytest.mark.parametrize(("words", "message"), LINES, ids=lambda value: str(value)[-60:])
def test_invalid_arguments_are_one_line(folder, capsys, words, message) -> None:
    line = refused(capsys, words)
    assert re.search(message, line), line
    assert (folder / "file").read_text() == "kept"
    assert sorted(path.name for path in folder.iterdir() if path.suffix != ".py") in (
        ["file"],
        ["__pycache__", "file"],
    )


def test_a_file_that_cannot_be_read_is_one_line(folder, capsys) -> None:
    (folder / "looped.jsonl").symlink_to("looped.jsonl")
    assert "looped" in refused(capsys, (*EVAL, "--problems", "looped.jsonl"))


def test_a_run_that_cannot_be_rescored_is_one_line(folder, capsys) -> None:
    run("eval", "some_agents:zero", "--env", ID, "--n", "2", "--out", "run")
    run("eval", "some_agents:zero", "--env", ID, "--n", "2", "--out", "once", "--attempts", "1")
    capsys.readouterr()
    words = ("rescore", "run", "--verifier", "exact", "--out", "again")
    for content in ("{", "[]", '{"measured": {"agent": "x"}}'):
        (folder / "run" / "report.json").write_text(content)
        assert "run/report.json: not a readable report" in refused(capsys, words)
    assert not (folder / "again").exists()
    lines = [(folder / name / "episodes.jsonl").read_text() for name in ("run", "once")]
    (folder / "mixed.jsonl").write_text("".join(lines))
    words = ("rescore", "mixed.jsonl", "--verifier", "exact")
    assert "mixed.jsonl holds episodes of 1, 2 attempts" in refused(capsys, words)


def run(*words: str) -> None:
    assert cli.main([*words, "--quiet"]) == 0


@pytest.mark.parametrize("debug", [False, True])
def test_a_bug_is_one_line_and_its_traceback_with_debug(folder, capsys, debug) -> None:
    words = ["eval", "some_agents:broken", "--env", ID, "--n", "2", "--quiet"]
    assert cli.main([*words, "--debug"] if debug else words) == 1
    out, err = capsys.readouterr()
    *traceback, line = err.splitlines()
    assert out == ""
    assert re.match(r"selfcorrect: ValueError: a bug \(.*some_agents.py, line 6\)\.", line)
    assert line.endswith("--debug shows the traceback.") is not debug
    assert bool(traceback) is debug
    if debug:
        assert traceback[0] == "Traceback (most recent call last):"


def test_debug_shows_where_an_invalid_argument_was_refused(folder, capsys) -> None:
    assert cli.main(["--debug", *EVAL, "--n", "0"]) == 2
    *traceback, line = capsys.readouterr().err.splitlines()
    assert "--n must be at least 1" in line
    assert traceback[0] == "Traceback (most recent call last):"


def test_outputs_are_checked_and_left_alone(folder) -> None:
    assert output_folder("new/deep") == Path("new/deep")
    assert output_file("file") == Path("file")
    assert output_file("new.json") == Path("new.json")
    assert sorted(p.name for p in folder.iterdir()) == ["file", "some_agents.py"]
    with pytest.raises(UsageError, match="--to: "):
        output_folder("file", "--to")


def test_at_least() -> None:
    at_least(1, n=None, batch_size=1)
    with pytest.raises(UsageError, match="--batch-size must be at least 1, got 0"):
        at_least(1, n=3, batch_size=0)


def test_a_validation_without_a_trial_is_not_ok() -> None:
    from selfcorrect_env.evaluation.validation import Check, Finding

    assert Check("hedging", "", 0, ()).outcome == "not tried"
    assert Check("hedging", "", 2, ()).outcome == "ok"
    assert Check("hedging", "", 2, (Finding("1", "what"),)).outcome == "1"


@pytest.mark.parametrize("module", ["selfcorrect_env", "selfcorrect_env.cli"])
def test_python_m_is_the_console_script(module) -> None:
    command = [sys.executable, "-m", module]
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("selfcorrect-env ")
    done = subprocess.run([*command, "evla"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Did you mean 'eval'?" in done.stderr


@pytest.mark.parametrize("words", ["list", "doctor", f"validate {ID}", "eval zero"])
def test_ctrl_c_while_a_command_starts_is_quiet(folder, words) -> None:
    """Interrupted once our first module is imported: numpy and gymnasium are still loading."""
    command = [sys.executable, "-v", SCRIPT, *words.split()]  # -v names every imported module
    restored = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a job ignores it
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=restored
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("import 'selfcorrect_env.interrupts'"):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130, rest[-2000:]
    assert "Traceback" not in rest
    assert "selfcorrect: interrupted." in rest


def test_a_program_that_imports_the_package_keeps_its_handler(tmp_path) -> None:
    code = (
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored\n"
        "import selfcorrect_env\n"
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    )
    script = tmp_path / "train.py"
    script.write_text(code)
    subprocess.run([sys.executable, script], check=True)
