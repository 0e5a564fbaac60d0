"""Warnings are at the user's line in Python, and one line on the command line."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import gymnasium as gym
import pytest

from selfcorrect_env import ProblemSetWarning
from selfcorrect_env.notices import one_line_warnings

SCRIPT = Path(sys.executable).parent / "selfcorrect"


def test_a_warning_is_at_the_line_that_made_the_environment(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("SELFCORRECT_MATH_PATH", raising=False)
    with pytest.warns(ProblemSetWarning, match="MATH is not available") as caught:
        gym.make("SelfCorrect-MATH-v0")
    assert [warning.filename for warning in caught] == [__file__]


def test_a_warning_is_one_line_on_the_command_line(tmp_path):
    command = [SCRIPT, "eval", "gold", "--env", "SelfCorrect-MATH-v0", "--n", "1", "--quiet"]
    variables = {k: v for k, v in os.environ.items() if k != "SELFCORRECT_MATH_PATH"}
    variables |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        command, env=variables, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("selfcorrect: warning: MATH is not available")


def test_warnings_of_others_keep_their_form():
    before = warnings.formatwarning
    with one_line_warnings():
        ours = warnings.formatwarning("a\nb", ProblemSetWarning, "file.py", 3)
        theirs = warnings.formatwarning("text", UserWarning, "file.py", 3, "")
    assert ours == "selfcorrect: warning: a b\n"
    assert theirs == "file.py:3: UserWarning: text\n"
    assert warnings.formatwarning is before
