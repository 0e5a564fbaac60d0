"""A learning rate for each stage, on top of the schedule that TRL's arguments name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.optim.lr_scheduler import LambdaLR

from selfcorrect_agents.errors import LearningError
from selfcorrect_agents.methods.score import SCoReConfig


def with_stages(scheduler: Any, score: SCoReConfig) -> Any:
    """Multiply a scheduler's rate by ``stage_two_learning_rate / learning_rate`` in stage II.

    Args:
        scheduler: before its first step; it is changed.
        score: the stages and their rates.

    Raises:
        LearningError: the scheduler is no function of the step, and the rates differ.
    """
    factor = score.stage_two_learning_rate / score.learning_rate
    if factor == 1.0:
        return scheduler
    if not isinstance(scheduler, LambdaLR):
        raise LearningError(
            "stage_two_learning_rate needs an lr_scheduler_type that is a function of the step, "
            f"such as constant, linear or cosine; got a {type(scheduler).__name__}."
        )

    def of_stage(rate: Callable[[int], float]) -> Callable[[int], float]:
        return lambda step: rate(step) * (1.0 if score.in_stage_one(step) else factor)

    scheduler.lr_lambdas = [of_stage(rate) for rate in scheduler.lr_lambdas]
    for group, rate in zip(scheduler.optimizer.param_groups, scheduler.lr_lambdas, strict=True):
        group["lr"] = group["initial_lr"] * rate(0)
    return scheduler
