"""ThinkTwice: solving, then refining one of one's own solutions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.thinktwice import ThinkTwice, ThinkTwiceConfig
from selfcorrect_agents.methods.thinktwice.thinktwice import one_of_each, only
from selfcorrect_agents.rl.loss import Batch, turn_advantages
from selfcorrect_agents.rl.rollout import Rollout
from selfcorrect_agents.training.config import from_flat
from selfcorrect_agents.training.run_folder import RunFolder
from selfcorrect_agents.training.trainer import Stage, Trainer
from selfcorrect_env import SelfCorrectEnv

SHORT = {"problems_per_step": 16, "max_new_tokens": 2}
SMALL = {"problems_per_step": 3, "samples": 2, "max_new_tokens": 3}


def digit_seven(problem: object, response: str) -> bool:
    return response.startswith("7")


def updates(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Stage, Rollout]]:
    """Write down every update that the trainer takes."""
    seen: list[tuple[Stage, Rollout]] = []
    real = Trainer.update

    def watch(self: Trainer, step: int, stage: Stage, rollouts: Sequence[Rollout]) -> Any:
        seen.extend((stage, rollout) for rollout in rollouts)
        return real(self, step, stage, rollouts)

    monkeypatch.setattr(Trainer, "update", watch)
    return seen


def test_each_kind_of_step_rewards_one_turn() -> None:
    scores = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert only(0)(scores).tolist() == [[1, 0], [0, 0]]
    assert only(1)(scores).tolist() == [[0, 0], [0, 1]]


def test_identity(policy: Policy) -> None:
    """Both attempts learn to say 7; by chance 1 of 20 tokens is a 7. Seeded; a policy that did
    not learn passes 60% of 128 episodes with probability below 1e-60."""
    env = SelfCorrectEnv("arithmetic", split="train", size=99, verifier=digit_seven)
    config = from_flat(
        ThinkTwiceConfig, {"steps": 60, "learning_rate": 1e-2, "beta_1": 0.0, **SHORT}
    )
    history = ThinkTwice(policy).learn(env, config)
    assert all(history[0][f"t{t}/accuracy"] < 0.3 for t in (1, 2))
    assert all(history[-2][f"t{t}/accuracy"] > 0.6 for t in (1, 2))
    assert all(row["t2/reward"] == 0 for row in history[::2])
    assert all(row["t1/reward"] == 0 for row in history[1::2])


def test_a_problem_is_refined_after_one_of_its_own_solutions(
    policy: Policy, env: SelfCorrectEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = updates(monkeypatch)
    history = ThinkTwice(policy).learn(env, from_flat(ThinkTwiceConfig, {"steps": 4, **SMALL}))
    assert ["t1/kl" in row for row in history] == [True, False] * 2, "a given attempt has no KL"
    assert all("t2/kl" in row for row in history)
    assert [rollout.samples for _, rollout in seen] == [2, 2, 2, 2]
    for (_, solved), (_, refined) in (seen[:2], seen[2:]):
        for row in range(6):
            solutions = solved.episodes[row - row % 2 : row - row % 2 + 2]
            after = refined.episodes[row]
            assert after.problem == solutions[0].problem
            assert after.attempts[0].reply in [str(e.attempts[0].reply) for e in solutions]
            same_group = refined.episodes[row - row % 2]
            assert after.attempts[0].reply == same_group.attempts[0].reply
        assert set(refined.turn.tolist()) == {1}, "the given attempts have no columns to train"
        assert set(solved.turn.tolist()) == {0, 1}


def test_the_advantages_of_a_refinement_by_hand(
    policy: Policy, env: SelfCorrectEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = updates(monkeypatch)
    config = from_flat(ThinkTwiceConfig, {"steps": 2, **SMALL})
    ThinkTwice(policy).learn(env, config)
    stage, rollout = seen[1]
    rollout = Rollout(
        **{
            name: getattr(rollout, name)
            for name in rollout.__slots__
            if name not in ("scores", "judged")
        },
        scores=torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0, 0], [0, 0]]),
        judged=torch.ones(6, dtype=torch.bool),
    )
    batch = Batch(rollout=rollout, rewards=stage.rewards(rollout.scores), betas=stage.betas)
    advantages = turn_advantages(batch, config.objective)
    assert advantages.tolist() == [[0, 1], [0, -1], [0, -1], [0, 1], [0, 0], [0, 0]]
    assert list(stage.betas) == [0.0, config.beta_1]


def test_solutions_are_drawn_evenly(policy: Policy, env: SelfCorrectEnv) -> None:
    """4,000 draws among four: within five standard deviations (27) of 1,000."""
    episodes: Any = [*range(8)]
    rng = np.random.default_rng(0)
    drawn = [one_of_each(episodes, 4, rng) for _ in range(4_000)]
    counts = np.bincount(np.array(drawn).ravel(), minlength=8)
    assert np.abs(counts - 1_000).max() < 137


def test_going_on_between_the_two_steps_of_a_pair_changes_nothing(
    policy: Policy, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    config = from_flat(ThinkTwiceConfig, {"steps": 4, "checkpoint_every": 1, **SMALL})
    start = {name: weight.clone() for name, weight in policy.model.state_dict().items()}
    whole = RunFolder(tmp_path / "whole", {"a": 1})
    ThinkTwice(policy).learn(env, config, run=whole)
    expected = {name: weight.clone() for name, weight in policy.model.state_dict().items()}
    policy.model.load_state_dict(start)
    real = Trainer.update

    def stops(self: Trainer, step: int, *rest: Any) -> Any:
        if step == 3:
            raise KeyboardInterrupt
        return real(self, step, *rest)

    half = RunFolder(tmp_path / "half", {"a": 1})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Trainer, "update", stops)
        with pytest.raises(KeyboardInterrupt):
            ThinkTwice(policy).learn(env, config, run=half)
    policy.model.load_state_dict(start)
    again = RunFolder(tmp_path / "half", {"a": 1}, resume=True)
    ThinkTwice(policy).learn(env, config, run=again)
    found = policy.model.state_dict()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_single_step_is_no_pair() -> None:
    with pytest.raises(ValueError, match="steps must be at least 2"):
        from_flat(ThinkTwiceConfig, {"steps": 1})
