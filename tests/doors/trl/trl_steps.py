"""Episodes and trainers of a step that the tests of TRL compare."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from selfcorrect_agents.adapters.trl import (
    EpisodeRollouts,
    SCoReGRPOConfig,
    SCoReGRPOTrainer,
)
from selfcorrect_agents.adapters.trl.rollouts import columns_of
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.rl.rollout import Rollout, collect
from selfcorrect_env import SelfCorrectEnv

torch.set_num_threads(1)

SAMPLES, PROBLEMS = 4, 3
QUIET: dict[str, Any] = {
    "use_cpu": True,
    "bf16": False,
    "activation_checkpointing": False,
    "report_to": "none",
    "save_strategy": "no",
    "logging_steps": 1,
    "disable_tqdm": True,
    "num_generations": SAMPLES,
    "per_device_train_batch_size": SAMPLES * PROBLEMS,
    "max_completion_length": 6,
}


def digit_seven(problem: object, response: str) -> bool:
    return response.startswith("7")


class Replay(EpisodeRollouts):
    """Gives episodes that were played before."""

    def __init__(self, env: SelfCorrectEnv, rollout: Rollout) -> None:
        super().__init__(env)
        self.rollout = rollout

    def __call__(self, prompts: Any, trainer: Any) -> dict[str, list[Any]]:
        return columns_of(self.rollout)


def moved(folder: str) -> Policy:
    """The saved model with other weights, so that its KL to the saved ones is not zero."""
    policy = Policy.from_pretrained(folder)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in policy.model.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
    return policy


def played(policy: Policy, env: SelfCorrectEnv) -> Rollout:
    rollout = collect(
        policy,
        env.vectorised(SAMPLES * PROBLEMS),
        range(PROBLEMS),
        samples=SAMPLES,
        max_new_tokens=6,
        generator=torch.Generator().manual_seed(3),
    )
    generator = torch.Generator().manual_seed(4)
    scores = torch.randint(0, 2, rollout.scores.shape, generator=generator).float()
    judged = torch.ones_like(rollout.judged)
    judged[[0, 5]] = False
    return replace(rollout, scores=torch.where(judged[:, None], scores, 0.0), judged=judged)


def trainer_of(
    model: Any, env: SelfCorrectEnv, tmp_path: Path, *, options: Any = None, **changed: Any
) -> SCoReGRPOTrainer:
    args = SCoReGRPOConfig(output_dir=str(tmp_path / "out"), **{**QUIET, **changed})
    return SCoReGRPOTrainer(model, env, args=args, **(options or {}))


def batch_of(trainer: SCoReGRPOTrainer) -> dict[str, Any]:
    """What a training step starts from: a sampled and scored batch."""
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    rows = trainer.rollouts["train"].dataset().select(range(PROBLEMS))
    inputs = [dict(rows[i]) for i in range(PROBLEMS) for _ in range(SAMPLES)]
    return trainer._generate_and_score_completions(inputs)


def flat(parts: Any) -> Tensor:
    return torch.cat([part.flatten() for part in parts])


def history(trainer: SCoReGRPOTrainer, key: str) -> list[float]:
    return [row[key] for row in trainer.state.log_history if key in row]
