"""Evaluation on held-out problems in a run that gathers and fits: when, and what is kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.star import STaR, STaRConfig
from selfcorrect_agents.training.config import from_flat
from selfcorrect_agents.training.run_folder import BEST, RunFolder, read_metrics
from selfcorrect_agents.training.trainer import Trainer
from selfcorrect_env import Problem, SelfCorrectEnv

SMALL: dict[str, Any] = {
    "problems_per_step": 4,
    "samples": 4,
    "max_new_tokens": 2,
    "held_out": 0.0,
    "check_every": 1,
    "batch_size": 8,
    "learning_rate": 1e-2,
    "eval_split": "train",
    "eval_problems": 20,
}


def odd(problem: Problem, text: str) -> bool:
    return text[:1] in set("1357")


@pytest.fixture
def training(env: SelfCorrectEnv) -> SelfCorrectEnv:
    return SelfCorrectEnv(env.problems, verifier=odd)


def configured(**more: Any) -> STaRConfig:
    return from_flat(STaRConfig, {**SMALL, "iterations": 2, "rollouts": 3, **more})


def weights_of(policy: Policy) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in policy.model.state_dict().items()}


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(weight, two[name]) for name, weight in one.items())


@pytest.mark.parametrize(
    ("every", "evaluated"), [(1, [1, 3, 6]), (2, [2, 3, 6]), (4, [3, 6]), (50, [3, 6])]
)
def test_each_fit_is_evaluated_and_the_gathering_after_it_is_not(
    policy: Policy, training: SelfCorrectEnv, every: int, evaluated: list[int]
) -> None:
    """The base is evaluated once, if at all; the weights of the last fit always are."""
    config = configured(eval_every=every)
    trainer = Trainer(policy, training, config)
    STaR(policy).train(trainer, config)
    rows = trainer.history
    assert [step for step, row in enumerate(rows, 1) if "eval/t2/accuracy" in row] == evaluated
    assert [row["fit/steps"] for row in rows if "fit/steps" in row] == [1.0, 1.0]
    assert trainer._held_out is not None
    last = trainer._held_out.measure()
    assert last == {key: rows[-1][key] for key in last}


def test_a_fit_to_nothing_is_not_evaluated_again(policy: Policy, env: SelfCorrectEnv) -> None:
    never = SelfCorrectEnv(env.problems, verifier=lambda problem, text: False)
    rows = STaR(policy).learn(never, configured(eval_every=1))
    assert [row["fit/steps"] for row in rows if "fit/steps" in row] == [0.0, 0.0]
    assert ["eval/t2/accuracy" in row for row in rows] == [True] + 5 * [False]


def test_starting_anew_from_the_base_changes_the_weights(
    policy: Policy, training: SelfCorrectEnv
) -> None:
    """The second fit finds nothing, and leaves the base: other weights than the first one's."""

    class Once(STaR):
        def train(self, trainer: Trainer, config: STaRConfig) -> None:
            from selfcorrect_agents.imitation.fitting import imitate
            from selfcorrect_agents.imitation.traces import Trace, consecutive

            def traces_of(episodes: Sequence[Any], rng: Any) -> list[Trace]:
                first = len(trainer.history) < 3
                return [t for e in episodes for t in consecutive(e)] if first else []

            imitate(trainer, config, traces_of)

    rows = Once(policy).learn(training, configured(eval_every=1, restart=True))
    assert [step for step, row in enumerate(rows, 1) if "eval/t2/accuracy" in row] == [1, 3, 6]
    assert rows[0]["eval/t2/tokens"] == rows[5]["eval/t2/tokens"]


class Scripted(STaR):
    """Its evaluations have these accuracies at the last attempt, by the step that they follow."""

    accuracies = (0.2, 0.2, 0.1, 0.1, 0.1, 0.5)

    def train(self, trainer: Trainer, config: STaRConfig) -> None:
        assert trainer._held_out is not None
        trainer._held_out.measure = lambda: {  # type: ignore[method-assign]
            "eval/t2/accuracy": self.accuracies[len(trainer.history) - 1]
        }
        super().train(trainer, config)


def learned(folder: Path, policy: Policy, training: SelfCorrectEnv, **more: Any) -> RunFolder:
    run = RunFolder(folder, {}, resume=True)
    config = configured(eval_every=1, keep_best=True, checkpoint_every=2, **more)
    Scripted(policy).learn(training, config, run=run)
    run.close()
    return run


def test_gathering_does_not_use_up_patience(
    policy: Policy, training: SelfCorrectEnv, tmp_path: Path
) -> None:
    """Only the first fit is worse than the base: a patience of 2 reaches the second, the best."""
    base = weights_of(policy)
    run = learned(tmp_path, policy, training, eval_patience=2)
    assert len(read_metrics(run.path / "metrics.jsonl")) == 6
    assert '"step": 6' in (run.path / BEST).read_text()
    assert not same(base, weights_of(policy))


def test_patience_ends_a_run_after_a_fit(
    policy: Policy, training: SelfCorrectEnv, tmp_path: Path
) -> None:
    """The first fit is worse than the base, which is what is kept."""
    base = weights_of(policy)
    run = learned(tmp_path, policy, training, eval_patience=1)
    assert len(read_metrics(run.path / "metrics.jsonl")) == 3
    assert '"step": 1' in (run.path / BEST).read_text()
    assert same(base, weights_of(policy))


@pytest.mark.parametrize("killed_at", [2, 3, 5])
def test_a_killed_run_evaluates_and_keeps_the_same(
    policy: Policy,
    training: SelfCorrectEnv,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    killed_at: int,
) -> None:
    base = weights_of(policy)
    whole = learned(tmp_path / "whole", policy, training)

    class KilledError(Exception):
        pass

    log = RunFolder.log

    def dying(self: RunFolder, step: int, metrics: Any) -> None:
        log(self, step, metrics)
        if step == killed_at:
            raise KilledError

    policy.model.load_state_dict(base)
    monkeypatch.setattr(RunFolder, "log", dying)
    with pytest.raises(KilledError):
        learned(tmp_path / "parts", policy, training)
    monkeypatch.setattr(RunFolder, "log", log)
    policy.model.load_state_dict(base)
    parts = learned(tmp_path / "parts", policy, training)
    for name in ("metrics.jsonl", BEST, "model/model.safetensors"):
        assert (parts.path / name).read_bytes() == (whole.path / name).read_bytes(), name
