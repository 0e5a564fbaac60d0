"""Arguments of TRL's trainer that are refused."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from trl_steps import (
    QUIET,
    trainer_of,
)

from selfcorrect_agents.adapters.trl import (
    SCoReGRPOConfig,
)
from selfcorrect_agents.errors import LearningError
from selfcorrect_env import SelfCorrectEnv


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"beta": 0.04}, "beta must be left out"),
        ({"scale_rewards": "batch"}, "scale_rewards must be none or group"),
        ({"max_steps": 500}, "max_steps must be at most 200"),
        ({"alpha": -1.0}, "alpha must be at least 0"),
        ({"stage_two_learning_rate": 0.0}, "stage_two_learning_rate must be above 0"),
        ({"max_completion_length": None}, "max_completion_length must be at least 1"),
        ({"mask_truncated_completions": True}, "mask_truncated_completions must be False"),
        ({"num_iterations": 3}, "stage_one_steps must be a multiple of the 3 optimizer steps"),
    ],
)
def test_invalid_arguments_are_refused(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        SCoReGRPOConfig(output_dir=str(tmp_path), **{**QUIET, **changed})


def test_one_attempt_is_refused(folder: str, tmp_path: Path) -> None:
    env = SelfCorrectEnv("arithmetic", split="train", size=40, attempts=1)
    with pytest.raises(LearningError, match="at least 2 attempts"):
        trainer_of(folder, env, tmp_path)


def test_an_evaluation_needs_as_many_attempts(folder: str, tmp_path: Path) -> None:
    env = SelfCorrectEnv("arithmetic", split="train", size=40)
    other = SelfCorrectEnv("arithmetic", split="validation", size=40, attempts=3)
    with pytest.raises(
        LearningError, match="eval_env needs as many attempts as training: 2, not 3"
    ):
        trainer_of(folder, env, tmp_path, options={"eval_env": other})


def test_without_trl_the_error_names_the_extra() -> None:
    code = "import sys; sys.modules['trl'] = None; import selfcorrect_agents.adapters.trl"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip().endswith("pip install 'selfcorrect-env[trl]'.")
