"""The console script, run as a user runs it: in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from selfcorrect_env.evaluation.report import Report

SCRIPT = Path(sys.executable).parent / "selfcorrect"
ARITHMETIC = ("--env", "SelfCorrect-Arithmetic-v0")

AGENTS = '''
import dataclasses
import time
from selfcorrect_env.types import Reply

def zero(conversation):
    return "0"

class Plain:
    def act(self, conversations):
        return ["1"] * len(conversations)

plain = Plain()

@dataclasses.dataclass(frozen=True)
class Settings:
    digit: int = 0
    """The digit that it always answers."""
    shout: bool = False

    def __post_init__(self):
        if self.digit < 0:
            raise ValueError(f"digit must be 0 or above, got {self.digit}")

class Stubborn:
    """Answers the digit of its config."""
    Config = Settings
    decoding = "constant"

    def __init__(self, config):
        if not 0 <= config.digit <= 9:
            raise ValueError(f"digit must lie in 0..9, got {config.digit}")
        self.digit = config.digit

    @classmethod
    def from_config(cls, config):
        return cls(config)

    def act(self, conversations):
        return [str(self.digit)] * len(conversations)

class Clash:
    @dataclasses.dataclass
    class Config:
        n: int = 1
    @classmethod
    def from_config(cls, config):
        return cls()

class Slow:
    def act(self, conversations):
        time.sleep(0.05)
        return ["0"] * len(conversations)

def broken(conversation):
    return 1 / 0

number = 3
'''


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "my_agents.py").write_text(AGENTS)
    return tmp_path


def run(*words, cwd=None, stdin="", timeout=60):
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "COLUMNS": "100"}
    return subprocess.run(
        [SCRIPT, *map(str, words)],
        cwd=cwd,
        input=stdin,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
    )


def mistake(result):
    """Return the one line on stderr of a call that was asked for something wrong."""
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


# -- help and version ----------------------------------------------------------------------------
def test_help_teaches():
    for words in (["--help"], ["-h"], []):
        result = run(*words)
        assert result.returncode == 0
        for part in ("list", "play", "eval", "train", "quickstart", "Examples:", "--help"):
            assert part in result.stdout, part


def test_help_is_light():
    code = (
        "import sys; from selfcorrect_env.cli.main import main; main(['--help']);"
        "heavy = {'torch', 'transformers', 'sympy', 'datasets', 'rich', 'tyro'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_version():
    result = run("--version")
    assert result.returncode == 0
    assert result.stdout.startswith("selfcorrect-env 0.")


def test_unknown_words():
    assert "Did you mean 'eval'?" in mistake(run("evla"))
    assert "Unknown option '--nope'" in mistake(run("--nope"))


def test_an_unknown_environment_lists_ours():
    message = mistake(run("play", "nope"))
    assert "SelfCorrect-MATH-v0" in message
    assert "Ant-v2" not in message


@pytest.mark.parametrize("command", ["list", "play", "eval"])
def test_every_command_has_help_with_examples(command):
    result = run(command, "--help")
    assert result.returncode == 0, result.stderr
    assert "Examples:" in result.stdout
    assert f"selfcorrect {command}" in result.stdout


# -- list ----------------------------------------------------------------------------------------
def test_list():
    found = json.loads(run("list", "--json").stdout)
    assert set(found) == {"environments", "agents", "problem sets", "verifiers", "prompts"}
    for id in ("SelfCorrect-Arithmetic-v0", "SelfCorrect-GSM8K-v0", "SelfCorrect-MATH-v0"):
        assert found["environments"][id]
    assert {"base", "score"} <= found["agents"].keys()
    assert {"arithmetic", "gsm8k", "math"} <= found["problem sets"].keys()
    assert {"math", "exact", "first-digit", "toycode"} <= found["verifiers"].keys()
    assert {"math", "code", "plain"} <= found["prompts"].keys()
    shown = run("list").stdout
    for names in found.values():
        for name in names:
            assert name in shown


# -- play ----------------------------------------------------------------------------------------
def test_play_shows_no_verdict_between_the_attempts(tmp_path):
    path = tmp_path / "one.jsonl"
    path.write_text('{"prompt": "6 * 7 = ?", "reference": "42"}\n')
    outcomes = {}
    for first in ("42", "41"):
        result = run(
            *("play", "SelfCorrect-Arithmetic-v0", "--problems", path, "--index", "0"),
            *("--verifier", "exact"),
            stdin=f"{first}\n\n42\n\n",
        )
        assert result.returncode == 0, result.stderr
        asked, _, verdicts = result.stdout.partition("Attempt 1:")
        outcomes[first] = (asked, verdicts)
        assert "6 * 7 = ?" in asked
        assert asked.count("Your reply") == 2
        assert "Reference: 42" in verdicts
    assert outcomes["42"][0] == outcomes["41"][0]
    assert "right → right (c→c)" in outcomes["42"][1]
    assert "wrong → right (i→c)" in outcomes["41"][1]


def test_play_takes_replies_of_several_lines_and_the_ends_of_the_input(tmp_path):
    path = tmp_path / "one.jsonl"
    path.write_text('{"prompt": "two lines", "reference": "a\\nb"}\n')
    words = ("play", "SelfCorrect-Arithmetic-v0", "--problems", path, "--verifier", "exact")
    assert "(i→c)" in run(*words, stdin="a\n\na\nb").stdout
    left = run(*words, stdin="a\n\n")
    assert left.returncode == 0
    assert "Stopped before the last attempt." in left.stdout
    assert "Reference" not in left.stdout


def test_play_is_seeded():
    words = ("play", "SelfCorrect-Arithmetic-v0", "--seed")
    assert run(*words, "3").stdout == run(*words, "3").stdout != run(*words, "4").stdout


def test_play_names_mistakes():
    assert "SelfCorrect-Aritmetic-v0" in mistake(run("play", "SelfCorrect-Aritmetic-v0"))
    assert "outside" in mistake(run("play", ARITHMETIC[1], "--index", "99999999"))


# -- eval ----------------------------------------------------------------------------------------
def test_eval_prints_the_report_and_writes_it(folder):
    words = ("eval", "my_agents:Stubborn", *ARITHMETIC, "--n", "30", "--out", "run", "--digit", "3")
    result = run(*words, cwd=folder)
    assert result.returncode == 0, result.stderr
    for part in ("accuracy@t1", "accuracy@t2", "Δ(t1, t2)", "i→c", "c→i", "arithmetic", "constant"):
        assert part in result.stdout, part
    report = Report.load(folder / "run")
    assert report.metrics.episodes == 30
    assert report.measured.settings == {"digit": 3, "shout": False}
    assert {a.reply for e in report.episodes for a in e.attempts} == {"3"}
    assert report.measured.fingerprint in result.stdout


@pytest.mark.parametrize("agent", ["zero", "Plain", "plain"])
def test_eval_takes_functions_classes_and_objects(folder, agent):
    result = run("eval", f"my_agents:{agent}", *ARITHMETIC, "--n", "5", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert f"my_agents:{agent}" in result.stdout


def test_eval_help_shows_the_agents_options_too(folder):
    result = run("eval", "my_agents:Stubborn", "--help", cwd=folder)
    assert result.returncode == 0, result.stderr
    for part in ("--env", "--n", "--out", "--digit", "always answers", "--shout"):
        assert part in result.stdout, part


def test_eval_on_problems_of_a_file_with_options(folder):
    (folder / "mine.jsonl").write_text('{"prompt": "nought", "reference": "0"}\n')
    words = ("eval", "my_agents:zero", *ARITHMETIC, "--out", "run")
    result = run(*words, "--problems", "mine.jsonl", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert Report.load(folder / "run").metrics.accuracy[0].value == 1.0
    other = run("eval", "my_agents:zero", *ARITHMETIC, "--problems", "none.jsonl", cwd=folder)
    assert "none.jsonl" in mistake(other)


def test_eval_names_mistakes(folder):
    def said(*words):
        return mistake(run("eval", *words, cwd=folder))

    assert "Which agent?" in said()
    assert "Which agent?" in said(*ARITHMETIC)
    assert "Unknown agent" in said("bse", *ARITHMETIC)
    assert "Did you mean 'base'?" in said("bse", *ARITHMETIC)
    assert "No module named 'nowhere'" in said("nowhere:agent", *ARITHMETIC)
    assert "has no attribute 'gone'" in said("my_agents:gone", *ARITHMETIC)
    assert "got int" in said("my_agents:number", *ARITHMETIC)
    assert "uses itself (n)" in said("my_agents:Clash", *ARITHMETIC)
    assert "digit must lie in 0..9, got 12" in said(
        "my_agents:Stubborn", *ARITHMETIC, "--digit", "12"
    )
    refused = said("my_agents:Stubborn", *ARITHMETIC, "--digit", "-1")
    assert "digit must be 0 or above, got -1" in refused
    assert "Nowhere-v0" in said("my_agents:zero", "--env", "Nowhere-v0")
    assert "--n must be at least 1" in said("my_agents:zero", *ARITHMETIC, "--n", "0")
    assert "KEY=VALUE" in said("my_agents:zero", *ARITHMETIC, "--option", "length")
    assert "nonsense" in said("my_agents:zero", *ARITHMETIC, "--option", "nonsense=1")
    assert "Unknown" in said("my_agents:zero", *ARITHMETIC, "--split", "tets")


def test_eval_of_an_agent_with_a_bug_shows_where_it_is(folder):
    result = run("eval", "my_agents:broken", *ARITHMETIC, "--n", "3", "--quiet", cwd=folder)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "ZeroDivisionError: division by zero" in line
    assert "my_agents.py, line " in line


def test_eval_missing_option_is_an_error(folder):
    result = run("eval", "my_agents:zero", cwd=folder)
    assert result.returncode == 2
    assert "--env" in result.stderr


def test_ctrl_c_keeps_what_was_finished_and_the_same_command_resumes(folder):
    words = [SCRIPT, "eval", "my_agents:Slow", *ARITHMETIC, "--n", "40", "--batch-size", "1"]
    words += ["--out", "run"]
    process = subprocess.Popen(
        words, cwd=folder, stdout=-1, stderr=-1, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background
    )  # fmt: skip
    episodes = folder / "run" / "episodes.jsonl"
    deadline = time.monotonic() + 60
    while not (episodes.exists() and episodes.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert "the same command resumes after them" in stderr
    assert "Traceback" not in stderr
    kept = len(episodes.read_text().splitlines())
    assert 1 <= kept < 40
    result = run(*words[1:], cwd=folder)
    assert result.returncode == 0, result.stderr
    assert len(Report.load(folder / "run").episodes) == 40


@pytest.mark.parametrize("words", ["--help", "list", "list --json"])
def test_a_closed_pipe_needs_no_words(words):
    command = f"'{SCRIPT}' {words} | true"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert result.stderr == ""


# -- validate and rescore ------------------------------------------------------------------------
def test_validate_says_what_holds(tmp_path):
    out = tmp_path / "findings.json"
    result = run("validate", ARITHMETIC[1], "--n", "50", "--out", out)
    assert result.returncode == 0, result.stderr
    assert "secrecy" in result.stdout
    assert json.loads(out.read_text())["validated"] == 50


def test_validate_lists_what_does_not_hold(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"prompt": "Which?", "reference": " "}\n{"prompt": "1+1?", "reference": "2"}')
    result = run("validate", ARITHMETIC[1], "--problems", path, "--verifier", "exact")
    assert result.returncode == 1
    assert "statement: 0: its reference is blank" in result.stdout
    assert "no folder" in mistake(run("validate", ARITHMETIC[1], "--out", tmp_path / "a" / "b"))


def test_rescore_lists_what_another_verifier_says(folder):
    (folder / "judges.py").write_text("def never(problem, reply):\n    return False\n")
    words = ("eval", "my_agents:zero", *ARITHMETIC, "--n", "30", "--out", "run")
    assert run(*words, cwd=folder).returncode == 0
    same = run("rescore", "run", "--verifier", "first-digit", cwd=folder)
    assert same.returncode == 0, same.stderr
    words = ("rescore", "run", "--verifier", "judges:never", "--out", "again")
    other = run(*words, cwd=folder)
    assert other.returncode == 1, other.stderr
    assert "correct → wrong" in other.stdout
    again = Report.load(folder / "again")
    assert again.measured.verifier == "never"
    assert again.metrics.accuracy[0].value == 0.0
    assert json.loads((folder / "again" / "differences.json").read_text())["scores_changed"] > 0
    assert "exists already" in mistake(run(*words, cwd=folder))
    assert "no episodes" in mistake(run("rescore", "nothing", "--verifier", "exact", cwd=folder))
