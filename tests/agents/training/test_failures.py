"""Numbers that are not finite, a KL that explodes, a full disk, verifiers that are killed."""

import json
import os
import resource
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from selfcorrect_agents.errors import DiskError, DivergenceError
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.multiturn_rl import MultiTurnRL, MultiTurnRLConfig
from selfcorrect_agents.rl.credit import own_turn
from selfcorrect_agents.training.checkpoint import latest_checkpoint
from selfcorrect_agents.training.config import from_flat
from selfcorrect_agents.training.failures import FULL, disk_failure, explained, kl_failure
from selfcorrect_agents.training.run_folder import open_run, read_metrics
from selfcorrect_agents.training.saving import write_model
from selfcorrect_agents.training.trainer import Stage, Trainer
from selfcorrect_env import Problem, Reason, SelfCorrectEnv, UnjudgedWarning, Verdict
from selfcorrect_env.verifiers.workers.pool import Status, WorkerPool

SMALL = {"problems_per_step": 4, "samples": 4, "max_new_tokens": 4, "checkpoint_every": 2}


def configured(steps: int, **more: Any) -> MultiTurnRLConfig:
    return from_flat(MultiTurnRLConfig, {"steps": steps, **SMALL, **more})


def even(problem: Problem, text: str) -> bool:
    return text[:1] in set("02468")


@pytest.fixture
def training(env: SelfCorrectEnv) -> SelfCorrectEnv:
    return SelfCorrectEnv(env.problems, verifier=even)


def state_of(policy: Policy) -> dict[str, Tensor]:
    return {name: weight.clone() for name, weight in policy.model.state_dict().items()}


# -- a full disk ------------------------------------------------------------------------------
@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the system refuse files above ``size`` bytes, as a full disk refuses them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("checkpoints/step-000002/optimizer-00001.safetensors", "after step 4: .*os error 27"),
        ("episodes.jsonl", r"before a step was logged: .*episodes\.jsonl"),
    ],
)
def test_a_full_disk_stops_a_run_that_then_goes_on(
    policy: Policy, training: SelfCorrectEnv, tmp_path: Path, file: str, what: str
) -> None:
    """Two steps, then no room in one after them, then the rest: the result is the same."""
    start = state_of(policy)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    MultiTurnRL(policy).learn(training, configured(6), run=whole)
    policy.model.load_state_dict(start)
    MultiTurnRL(policy).learn(training, configured(2), run=parts)
    before = (parts / "metrics.jsonl").read_text()

    policy.model.load_state_dict(start)
    limit = (parts / file).stat().st_size - 1
    with largest_file(limit), pytest.raises(DiskError, match=what) as caught:
        MultiTurnRL(policy).learn(training, configured(6), run=parts)
    assert "step-000002. Make room and resume the run" in str(caught.value)
    newest = latest_checkpoint(parts / "checkpoints")
    assert newest is not None
    assert newest.step == 2
    assert not list((parts / "checkpoints").glob(".writing-*")), "it would fill the disk further"
    assert (parts / "metrics.jsonl").read_text().startswith(before)
    for line in (parts / "metrics.jsonl").read_text().splitlines():
        json.loads(line)

    policy.model.load_state_dict(start)
    MultiTurnRL(policy).learn(training, configured(6), run=parts)
    for name in ("metrics.jsonl", "episodes.jsonl", "model/model.safetensors"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_model_that_does_not_fit_leaves_the_one_before(
    policy: Policy, training: SelfCorrectEnv, tmp_path: Path
) -> None:
    MultiTurnRL(policy).learn(training, configured(2), run=tmp_path / "run")
    model = tmp_path / "run/model"
    before = (model / "model.safetensors").read_bytes()
    run = open_run(tmp_path / "other", "m", training, configured(2), "w")
    shutil.copytree(model, run.model)
    with (
        largest_file(len(before) - 1),
        pytest.raises(DiskError, match=r"after step 2: .*os error 27"),
        explained(lambda: 2, None),
    ):
        write_model(run, policy.save_pretrained)
    assert not (run.path / ".model").exists()
    assert (run.model / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize("number", FULL)
@pytest.mark.parametrize(
    "says",
    [
        'Error while serializing: IoError(Os {{ code: {}, kind: StorageFull, message: "full" }})',
        "Error while serializing: I/O error: full (os error {})",
    ],
)
def test_what_safetensors_says_of_a_full_disk(says: str, number: int) -> None:
    """Its releases until 0.5 say it in other words than later ones."""
    assert disk_failure(Exception(says.format(number))) == says.format(number)
    assert disk_failure(Exception(says.format(f"1{number}"))) is None
    assert disk_failure(Exception(says.format(13))) is None


# -- numbers that are not finite ----------------------------------------------------------------
def test_a_score_that_is_no_number_is_not_judged(policy: Policy, env: SelfCorrectEnv) -> None:
    """It never reaches the loss: the episode counts as one whose verifier failed."""
    calls = iter(range(10**6))
    env = SelfCorrectEnv(
        env.problems, verifier=lambda p, text: float("nan") if next(calls) % 8 == 0 else 1.0
    )
    with pytest.warns(UnjudgedWarning, match="2 of 16 episodes were not judged.*nan"):
        (row,) = MultiTurnRL(policy).learn(env, configured(1))
    assert row["train/unjudged"] == 2


def test_a_reward_that_is_not_finite_is_named(policy: Policy, training: SelfCorrectEnv) -> None:
    def rewards(scores: Tensor) -> Tensor:
        made = scores.clone()
        made[3, 1] = float("inf")
        return made

    stage = Stage(rewards=rewards, betas=[0.0, 0.0], reach=own_turn(2), learning_rate=1e-3)
    trainer = Trainer(policy, training, configured(1))
    before = state_of(policy)
    with pytest.raises(DivergenceError, match="reward of turn 2 of episode 4 is inf, made of the"):
        trainer.learn_from(0, stage)
    assert all(torch.equal(before[name], weight) for name, weight in state_of(policy).items())


def test_weights_that_diverge_stop_the_run(
    policy: Policy, training: SelfCorrectEnv, tmp_path: Path
) -> None:
    """After step 2 the weights are NaN, as after an optimiser's step that overflowed."""
    config = configured(6)

    class Overflowing(MultiTurnRL):
        def train(self, trainer: Trainer, config: MultiTurnRLConfig) -> None:
            update = trainer.learner.step

            def overflow(losses: Any) -> float:
                norm = update(losses)
                if len(trainer.history) == 2:
                    with torch.no_grad():
                        next(iter(self.policy.trainable().values())).fill_(float("nan"))
                return norm

            trainer.learner.step = overflow  # type: ignore[method-assign]
            super().train(trainer, config)

    with pytest.raises(
        DivergenceError, match=r"after step \d: .*not finite.*step-000002"
    ) as caught:
        Overflowing(policy).learn(training, config, run=tmp_path)
    assert "\n" not in str(caught.value)
    newest = latest_checkpoint(tmp_path / "checkpoints")
    assert newest is not None
    assert newest.step == 2
    assert not (tmp_path / "model").exists()
    policy.load_weights(newest.model)
    assert all(bool(weight.isfinite().all()) for weight in policy.model.parameters())


def test_the_gradient_of_an_infinite_loss_changes_nothing(
    policy: Policy, training: SelfCorrectEnv, tmp_path: Path
) -> None:
    before = state_of(policy)
    with pytest.raises(DivergenceError, match="before a step was logged: The gradient's norm is"):
        MultiTurnRL(policy).learn(training, configured(2, beta_1=1e39), run=tmp_path)
    assert all(torch.equal(before[name], weight) for name, weight in state_of(policy).items())


# -- the KL -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("metrics", "failing"),
    [
        ({"t1/kl": 8.0, "t1/tokens": 4.0, "t2/kl": 0.1, "t2/tokens": 4.0}, False),
        ({"t1/kl": 0.1, "t1/tokens": 4.0, "t2/kl": 8.1, "t2/tokens": 4.0}, True),
        ({"t1/kl": float("nan"), "t1/tokens": 4.0}, True),
        ({"t1/kl": 9.0, "t1/tokens": 4.0, "after_fit/t1/tokens": 5.0}, False),
        ({"t3/kl": 0.9, "t3/tokens": 0.3}, True),  # few episodes took the turn
        ({"t3/kl": 0.0, "t3/tokens": 0.0}, False),
        ({"t1/kl": 0.0}, False),
        ({"t1/tokens": 4.0}, False),
    ],
)
def test_the_limit_is_in_nats_a_token(metrics: dict[str, float], failing: bool) -> None:
    assert (kl_failure(metrics, 2.0) is not None) is failing
    assert kl_failure(metrics, None) is None


def test_a_kl_that_explodes_stops_the_run(
    policy: Policy, training: SelfCorrectEnv, tmp_path: Path
) -> None:
    """The learning rate is a thousand times too large: the first update leaves the reference."""
    config = configured(50, learning_rate=0.5, beta_1=0.0, max_kl=1.0, checkpoint_every=1)
    with pytest.raises(DivergenceError, match=r"KL of t\d to the reference is .* above max_kl=1"):
        MultiTurnRL(policy).learn(training, config, run=tmp_path)
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert 1 < len(rows) < 50
    newest = latest_checkpoint(tmp_path / "checkpoints")
    assert newest is not None
    assert newest.step == len(rows) - 1, "the step that is refused has no checkpoint"


@pytest.mark.parametrize("broken", [float("nan"), 3.0])
@pytest.mark.parametrize(
    ("exploding", "says"),
    [(1, "Every checkpoint has the weights that"), (3, "checkpoint from before is .*step-000002")],
)
def test_a_checkpoint_of_weights_that_diverged_is_not_recommended(
    policy: Policy,
    training: SelfCorrectEnv,
    tmp_path: Path,
    exploding: int,
    says: str,
    broken: float,
) -> None:
    """They are saved after the step that broke them, and found to be broken in the next one."""

    class Exploding(MultiTurnRL):
        def train(self, trainer: Trainer, config: MultiTurnRLConfig) -> None:
            update = trainer.learner.step

            def explode(losses: Any) -> float:
                norm = update(losses)
                if len(trainer.history) + 1 == exploding:
                    with torch.no_grad():
                        for weight in self.policy.trainable().values():
                            weight.mul_(broken)
                return norm

            trainer.learner.step = explode  # type: ignore[method-assign]
            super().train(trainer, config)

    config = configured(6, checkpoint_every=1, max_kl=0.01, learning_rate=1e-6)
    with pytest.raises(DivergenceError, match=says):
        Exploding(policy).learn(training, config, run=tmp_path)
    newest = latest_checkpoint(tmp_path / "checkpoints")
    assert newest is not None
    assert newest.step == exploding


# -- a verifier that is killed --------------------------------------------------------------------
class Pooled:
    """Says that a reply is right if it is its problem's reference; a worker compares the two."""

    name = "pooled"

    def __init__(self) -> None:
        self.pool = WorkerPool("operator:eq", workers=2)

    def verify(self, problem: Problem, response: str) -> Verdict:
        return self.verify_batch([problem], [response])[0]

    def verify_batch(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        calls = [(p.reference, text[:1]) for p, text in zip(problems, responses, strict=True)]
        outcomes = self.pool.run_all(calls, deadline=5)
        return [
            Verdict(float(found.value), Reason.CORRECT if found.value else Reason.WRONG)
            if found.status is Status.DONE
            else Verdict(0.0, Reason.ERROR, detail=found.detail)
            for found in outcomes
        ]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this platform has no SIGKILL")
def test_killed_workers_of_a_verifier_are_replaced(policy: Policy, env: SelfCorrectEnv) -> None:
    """All workers are killed after every step; no verdict is lost, none differs."""
    start, expected = state_of(policy), SelfCorrectEnv(env.problems, verifier=Exact())
    whole = MultiTurnRL(policy).learn(expected, configured(3))
    policy.model.load_state_dict(start)
    verifier, killed = Pooled(), list[int]()

    class Killing(MultiTurnRL):
        def train(self, trainer: Trainer, config: MultiTurnRLConfig) -> None:
            log = trainer.log

            def kill(*values: Any, **options: Any) -> dict[str, float]:
                for pid in verifier.pool.pids():
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                return log(*values, **options)

            trainer.log = kill  # type: ignore[method-assign]
            super().train(trainer, config)

    try:
        history = Killing(policy).learn(
            SelfCorrectEnv(env.problems, verifier=verifier), configured(3)
        )
    finally:
        verifier.pool.close()
    assert len(set(killed)) >= 3
    assert history == whole


class Exact(Pooled):
    """The same verdicts without workers."""

    def __init__(self) -> None:
        pass

    def verify_batch(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        right = [p.reference == text[:1] for p, text in zip(problems, responses, strict=True)]
        return [Verdict(float(r), Reason.CORRECT if r else Reason.WRONG) for r in right]
