"""An invalid configuration is refused."""

import pytest

from selfcorrect_agents.lm.tiny import TinyConfig


@pytest.mark.parametrize(
    "wrong",
    [
        {"hidden_size": 30},
        {"steps": 0},
        {"copy": 0.9, "fix": 0.2},
        {"first_right": 1.5},
        {"learning_rate": 0.0},
        {"slips": 1.0},
        {"doubts": 1.0},
        {"seed": -1},
    ],
)
def test_an_invalid_configuration_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"at least|multiple|must be in"):
        TinyConfig(**wrong)  # type: ignore[arg-type]


def test_an_option_of_another_task_is_refused() -> None:
    with pytest.raises(ValueError, match="doubts is an option of the task arithmetic"):
        TinyConfig(task="toycode", doubts=0.5)
