"""Learning, stopping, going on, and episodes that can't be judged."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import load_dataset

from selfcorrect_agents.errors import UnjudgedError
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.multiturn_rl import MultiTurnRL, MultiTurnRLConfig
from selfcorrect_agents.methods.score import SCoRe, SCoReConfig
from selfcorrect_agents.methods.star import STaR, STaRConfig
from selfcorrect_agents.rl.credit import own_turn
from selfcorrect_agents.training.checkpoint import latest_checkpoint
from selfcorrect_agents.training.config import from_flat
from selfcorrect_agents.training.run_folder import RunFolder, read_metrics
from selfcorrect_agents.training.trainer import Stage, Trainer
from selfcorrect_env import CheckpointError, Problem, SelfCorrectEnv, UnjudgedWarning

SMALL = {"problems_per_step": 4, "samples": 4, "max_new_tokens": 4, "checkpoint_every": 2}
SHORT = {"problems_per_step": 16, "max_new_tokens": 3}


def digit_seven(problem: object, response: str) -> bool:
    return response.startswith("7")


@pytest.mark.parametrize(
    ("method", "config"),
    [
        (
            SCoRe,
            from_flat(
                SCoReConfig,
                {
                    "stage_one_steps": 30,
                    "stage_two_steps": 10,
                    "learning_rate": 1e-2,
                    "stage_two_learning_rate": 1e-2,
                    "beta_1": 0.0,
                    "beta_2": 0.01,
                    **SHORT,
                },
            ),
        ),
        (
            MultiTurnRL,
            from_flat(
                MultiTurnRLConfig, {"steps": 40, "learning_rate": 1e-2, "beta_1": 0.0, **SHORT}
            ),
        ),
    ],
)
def test_identity(policy: Policy, method: type, config: object) -> None:
    """Each method learns to say 7 at the second attempt; by chance 1 of 20 tokens is a 7.

    Seeded, so a false alarm needs a change of the random streams; a policy that did not learn
    stays near 5% and passes 60% of 128 episodes with probability below 1e-60.
    """
    env = SelfCorrectEnv("arithmetic", split="train", size=200, verifier=digit_seven)
    history = method(policy).learn(env, config)
    assert history[0]["t2/accuracy"] < 0.3
    assert history[-1]["t2/accuracy"] > 0.6


def test_going_on_gives_the_result_of_never_stopping(
    policy: Policy, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    config = from_flat(MultiTurnRLConfig, {"steps": 6, **SMALL})
    start = {name: weight.clone() for name, weight in policy.model.state_dict().items()}
    whole = RunFolder(tmp_path / "whole", {"a": 1})
    MultiTurnRL(policy).learn(env, config, run=whole)
    expected = {name: weight.clone() for name, weight in policy.model.state_dict().items()}
    assert any(not torch.equal(start[name], expected[name]) for name in start)

    class StopError(Exception):
        pass

    class Dying(RunFolder):
        def log(self, step, metrics):  # type: ignore[no-untyped-def]
            super().log(step, metrics)
            if step == 5:  # after a step that the newest checkpoint (4) does not know
                raise StopError

    policy.model.load_state_dict(start)
    with pytest.raises(StopError):
        MultiTurnRL(policy).learn(env, config, run=Dying(tmp_path / "parts", {"a": 1}))
    policy.model.load_state_dict(start)
    MultiTurnRL(policy).learn(env, config, run=RunFolder(tmp_path / "parts", {"a": 1}, resume=True))
    for name, weight in policy.model.state_dict().items():
        assert torch.equal(weight, expected[name]), name
    assert read_metrics(tmp_path / "parts/metrics.jsonl") == read_metrics(
        tmp_path / "whole/metrics.jsonl"
    )


def test_a_run_is_not_overwritten_or_mixed_up(tmp_path: Path) -> None:
    run = RunFolder(tmp_path, {"seed": 1})
    run.log(1, {})
    run.close()
    with pytest.raises(CheckpointError, match="already holds a run"):
        RunFolder(tmp_path, {"seed": 1})
    with pytest.raises(CheckpointError, match="seed was 1, now 2"):
        RunFolder(tmp_path, {"seed": 2}, resume=True)


@pytest.mark.parametrize(
    "name", ["model/model.safetensors", "optimizer-00001.safetensors", "checkpoint.json"]
)
def test_a_truncated_checkpoint_is_named(
    policy: Policy, env: SelfCorrectEnv, tmp_path: Path, name: str
) -> None:
    config = from_flat(MultiTurnRLConfig, {"steps": 2, **SMALL})
    MultiTurnRL(policy).learn(env, config, run=RunFolder(tmp_path, {}))
    path = tmp_path / "checkpoints/step-000002" / name
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(CheckpointError, match=path.name):
        MultiTurnRL(policy).learn(env, config, run=RunFolder(tmp_path, {}, resume=True))


def test_unjudged_episodes_teach_nothing_and_are_counted(policy: Policy) -> None:
    calls = iter(range(10**6))

    def fails_at_times(problem: object, response: str) -> bool:
        if next(calls) % 8 == 0:
            raise RuntimeError("the verifier broke")
        return True

    env = SelfCorrectEnv("arithmetic", split="train", size=50, verifier=fails_at_times)
    config = from_flat(MultiTurnRLConfig, {"steps": 1, **SMALL})
    with pytest.warns(UnjudgedWarning, match="step 1: 2 of 16 episodes .* RuntimeError: the verif"):
        (metrics,) = MultiTurnRL(policy).learn(env, config)
    assert metrics["train/unjudged"] == 2
    assert metrics["train/unjudged_share"] == 0.125
    assert metrics["t1/accuracy"] == 1.0


def broken(problem: object, response: str) -> bool:
    raise RuntimeError("the verifier broke")


@pytest.mark.parametrize(("steps", "taken"), [(1, 1), (2, 2), (3, 3), (50, 3)])
def test_a_verifier_that_always_fails_stops_training(
    policy: Policy, tmp_path: Path, steps: int, taken: int
) -> None:
    before = {name: weight.clone() for name, weight in policy.model.state_dict().items()}
    env = SelfCorrectEnv("arithmetic", split="train", size=50, verifier=broken)
    config = from_flat(MultiTurnRLConfig, {"steps": steps, **SMALL})
    run = RunFolder(tmp_path, {})
    with (
        pytest.warns(UnjudgedWarning),
        pytest.raises(UnjudgedError, match=f"{taken} steps in a row.* RuntimeError: the verifier"),
    ):
        MultiTurnRL(policy).learn(env, config, run=run, progress=True)
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert [row["train/unjudged_share"] for row in rows] == [1.0] * taken
    assert [row["train/skipped"] for row in rows] == [1.0] * taken
    assert all(torch.equal(before[n], w) for n, w in policy.model.state_dict().items())
    assert (tmp_path / f"checkpoints/step-{taken:06d}").is_dir()
    assert not (tmp_path / "model").exists(), "a run that was stopped leaves no finished model"


@pytest.mark.parametrize("fails", ["ff.ff.ff.", "f.f.f.f.f."])
def test_failures_that_end_do_not_stop_training(policy: Policy, fails: str) -> None:
    """A server that is away for two steps at a time: the others are trained on."""
    steps = iter(range(10**6))

    def away(problem: object, response: str) -> bool:
        if fails[next(steps) // 32] == "f":  # 16 episodes of two attempts are a step
            raise RuntimeError("no server")
        return True

    env = SelfCorrectEnv("arithmetic", split="train", size=50, verifier=away)
    config = from_flat(MultiTurnRLConfig, {"steps": len(fails), **SMALL})
    with pytest.warns(UnjudgedWarning):
        history = MultiTurnRL(policy).learn(env, config)
    assert [row["train/unjudged_share"] for row in history] == [float(c == "f") for c in fails]


def test_most_of_three_steps_unjudged_stops_training_and_half_does_not(policy: Policy) -> None:
    def fails_at(share: float):  # type: ignore[no-untyped-def]
        calls = iter(range(10**6))

        def verify(problem: object, response: str) -> bool:
            if next(calls) % 16 < 16 * share:  # the same episodes at both attempts
                raise RuntimeError("the verifier broke")
            return True

        return SelfCorrectEnv("arithmetic", split="train", size=50, verifier=verify)

    config = from_flat(MultiTurnRLConfig, {"steps": 4, **SMALL})
    with pytest.warns(UnjudgedWarning):
        assert len(MultiTurnRL(policy).learn(fails_at(0.5), config)) == 4
    with pytest.warns(UnjudgedWarning), pytest.raises(UnjudgedError, match="3 steps in a row"):
        MultiTurnRL(policy).learn(fails_at(0.75), config)


@pytest.mark.parametrize("method", [STaR, SCoRe])
def test_every_method_stops(policy: Policy, method: type) -> None:
    env = SelfCorrectEnv("arithmetic", split="train", size=50, verifier=broken)
    values = {"rollouts": 5} if method is STaR else {"stage_one_steps": 5, "stage_two_steps": 5}
    config = from_flat(method.Learning, {**values, **SMALL})  # type: ignore[attr-defined]
    with pytest.warns(UnjudgedWarning), pytest.raises(UnjudgedError, match="3 steps in a row"):
        method(policy).learn(env, config)


# -- what a step samples ------------------------------------------------------------------------
def knows_some(problem: Problem, text: str) -> bool:
    """Problems whose reference is below 5 are always right, the others by the first token."""
    return problem.reference < "5" or text[:1] in set("02468")


def stage_of(turns: int = 2) -> Stage:
    return Stage(
        rewards=lambda scores: scores,
        betas=[0.0] * turns,
        reach=own_turn(turns),
        learning_rate=1e-3,
    )


def test_dynamic_sampling_keeps_the_problems_that_teach(
    policy: Policy, env: SelfCorrectEnv
) -> None:
    """Of 12 problems that are played 4 are kept, all of which differ in reward; 12 are paid for."""
    env = SelfCorrectEnv(env.problems, verifier=knows_some)
    config = from_flat(MultiTurnRLConfig, {"steps": 1, "oversample": 3, **SMALL})
    trainer = Trainer(policy, env, config)
    stage = stage_of()
    played = Trainer(policy, env, config).collect(0, 12)
    rollout = trainer.collect_informative(0, stage)
    groups = played.scores.view(12, 4, 2)
    differs = [bool((group != group[0]).any()) for group in groups]
    assert 4 <= sum(differs) < 12, "the seed shows nothing"
    kept = [i for i in range(12) if differs[i]][:4]
    assert [e.problem.id for e in rollout.episodes] == [
        played.episodes[4 * i].problem.id for i in kept for _ in range(4)
    ]
    assert rollout.scores.view(4, 4, 2).std(dim=1).amax(dim=1).min() > 0
    metrics = trainer.update(0, stage, [rollout])
    assert metrics["episodes"] == 48 == config.episodes
    assert metrics["tokens"] == played.tokens


def test_an_episode_that_cannot_be_judged_makes_no_difference_in_reward(
    policy: Policy, env: SelfCorrectEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are right, one of problem 5 is unjudged: that problem teaches no more than the others."""
    env = SelfCorrectEnv(env.problems, verifier=lambda problem, text: True)
    trainer = Trainer(
        policy, env, from_flat(MultiTurnRLConfig, {"steps": 1, "oversample": 2, **SMALL})
    )
    played = trainer.collect(0, 8)
    played.judged[21], played.scores[21] = False, 0.0
    monkeypatch.setattr(trainer, "collect", lambda *_: played)
    kept = trainer.collect_informative(0, stage_of())
    assert len(played.episodes) == 32
    assert played.episodes[20].problem.id not in {e.problem.id for e in kept.episodes}


def test_where_too_few_problems_teach_others_fill_up(policy: Policy, env: SelfCorrectEnv) -> None:
    env = SelfCorrectEnv(env.problems, verifier=lambda problem, text: True)
    trainer = Trainer(
        policy, env, from_flat(MultiTurnRLConfig, {"steps": 1, "oversample": 2, **SMALL})
    )
    rollout = trainer.collect_informative(0, stage_of())
    assert len(rollout.scores) == 16
    assert len({episode.problem.id for episode in rollout.episodes}) == 4


def test_rollouts_of_one_step_differ_by_purpose_and_repeat(
    policy: Policy, env: SelfCorrectEnv
) -> None:
    trainer = Trainer(policy, env, from_flat(MultiTurnRLConfig, {**SMALL}))

    def ids(**how: Any) -> list[str]:
        return [e.problem.id for e in trainer.collect(**how).episodes]  # type: ignore[arg-type]

    assert ids(step=0) == ids(step=0)
    assert ids(step=0) != ids(step=1)
    assert ids(step=0) != ids(step=0, purpose="offline")
    trainer.log(0, {})
    assert trainer.history[0]["episodes"] == 6 * 16
    trainer.collect(1, counted=False)
    assert trainer.log(1, {})["episodes"] == 6 * 16


def test_the_stage_sets_the_learning_rate(policy: Policy, env: SelfCorrectEnv) -> None:
    trainer = Trainer(policy, env, from_flat(MultiTurnRLConfig, {"learning_rate": 1e-3, **SMALL}))
    rollout = trainer.learn_from(0, replace(stage_of(), learning_rate=1e-5))
    assert trainer.learner.learning_rate == 1e-5
    assert trainer.history[0]["episodes"] == len(rollout.episodes)


def test_updates_need_a_configuration_of_reinforcement_learning(
    policy: Policy, env: SelfCorrectEnv
) -> None:
    trainer = Trainer(policy, env, from_flat(STaRConfig, {**SMALL}))
    with pytest.raises(TypeError, match="OnPolicyConfig, and this run has a STaRConfig"):
        trainer.learn_from(0, stage_of())


def test_several_epochs_on_the_same_episodes_move_further(
    policy: Policy, env: SelfCorrectEnv
) -> None:
    env = SelfCorrectEnv(env.problems, verifier=knows_some)
    start = {name: weight.clone() for name, weight in policy.model.state_dict().items()}

    def distance(**how: Any) -> float:
        policy.model.load_state_dict(start)
        MultiTurnRL(policy).learn(env, from_flat(MultiTurnRLConfig, {"steps": 1, **SMALL, **how}))
        state = policy.model.state_dict()
        return sum(float((state[name] - start[name]).norm()) for name in start)

    assert distance(epochs=3, clip=0.2) > 1.5 * distance() > 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_a_checkpoint_that_the_command_goes_on_from(
    tmp_path: Path, number: signal.Signals
) -> None:
    """So does SIGTERM, by which batch systems stop a job."""
    environment = {**os.environ, "SELFCORRECT_CACHE": str(tmp_path / "cache")}

    def command(out: str, *more: str) -> list[str]:
        return [
            sys.executable,
            "-c",
            "import selfcorrect_env.cli.main as c; raise SystemExit(c.main())",
            "train",
            "multiturn_rl",
            "--model",
            "tiny:steps=5,hidden_size=16",
            "--steps",
            "60",
            "--problems-per-step",
            "4",
            "--samples",
            "4",
            "--max-new-tokens",
            "4",
            "--out",
            str(tmp_path / out),
            *more,
        ]

    subprocess.run(command("whole"), env=environment, check=True, capture_output=True, timeout=200)
    process = subprocess.Popen(
        command("parts"), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    metrics = tmp_path / "parts/metrics.jsonl"
    until = time.monotonic() + 120
    while not (metrics.exists() and metrics.read_text().count("\n") >= 3):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(number)
    output = process.communicate(timeout=120)[0].decode()
    assert process.returncode == 130, output
    assert list((tmp_path / "parts/checkpoints").glob("step-*")), output
    subprocess.run(
        command("parts", "--resume"), env=environment, check=True, capture_output=True, timeout=200
    )
    assert metrics.read_text() == (tmp_path / "whole/metrics.jsonl").read_text()
    weights = "model/model.safetensors"
    assert (tmp_path / "parts" / weights).read_bytes() == (
        tmp_path / "whole" / weights
    ).read_bytes()
    episodes = load_dataset(
        "json",
        data_files=str(tmp_path / "parts/episodes.jsonl"),
        split="train",
        cache_dir=str(tmp_path / "hf"),
    )
    assert len(episodes) == 16 * 7  # steps 1, 10, 20 … 60
    assert json.loads((tmp_path / "parts/config.json").read_text())["method"] == "multiturn_rl"


def test_sigterm_ends_a_run_after_the_step_and_ends_its_forks_at_once(
    policy: Policy, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    """As a vector environment's processes are ended, which are forked while a run trains."""
    statuses: list[int] = []

    def stopped(problem: Problem, reply: str) -> float:
        if not statuses and (tmp_path / "run/metrics.jsonl").exists():
            ready, started = os.pipe()
            child = os.fork()
            if child == 0:
                os.write(started, b"1")
                time.sleep(60)
                os._exit(3)
            os.read(ready, 1)  # a signal that comes within the fork is lost
            os.kill(child, signal.SIGTERM)
            statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            signal.raise_signal(signal.SIGTERM)
        return 1.0

    config = from_flat(MultiTurnRLConfig, {"steps": 9, **SMALL, "checkpoint_every": 50})
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt):
        MultiTurnRL(policy).learn(
            SelfCorrectEnv(env.problems, verifier=stopped), config, run=tmp_path / "run"
        )
    assert statuses == [-signal.SIGTERM]
    checkpoint = latest_checkpoint(tmp_path / "run/checkpoints")
    assert checkpoint is not None
    assert checkpoint.step == 2
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_an_error_in_a_step_ends_the_handling_of_ctrl_c(
    policy: Policy, env: SelfCorrectEnv
) -> None:
    """Also while its traceback is kept, as notebooks keep it."""

    class Failing(MultiTurnRL):
        def train(self, trainer: Trainer, config: MultiTurnRLConfig) -> None:
            for _ in trainer.steps(config.steps):
                raise ArithmeticError

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ArithmeticError) as caught:
        Failing(policy).learn(env, from_flat(MultiTurnRLConfig, {"steps": 2, **SMALL}))
    assert caught.tb is not None
    assert signal.getsignal(signal.SIGINT) is before


def test_ratios_begin_at_one_however_tokens_were_sampled(
    policy: Policy, env: SelfCorrectEnv
) -> None:
    """In bfloat16 the log-probabilities of sampling are not those that an update computes."""
    env = SelfCorrectEnv(env.problems, verifier=lambda p, text: text[:1] in set("02468"))
    stage = Stage(rewards=lambda s: s, betas=[0.0, 0.0], reach=own_turn(2), learning_rate=1e-3)
    config = from_flat(MultiTurnRLConfig, {"steps": 1, "epochs": 2, "clip": 0.2, **SMALL})
    start = {name: weight.clone() for name, weight in policy.model.state_dict().items()}
    learned = []
    for difference in (0.0, 0.5):
        policy.model.load_state_dict(start)
        trainer = Trainer(policy, env, config)
        rollout = trainer.collect(0)
        sampled = replace(rollout, logps=rollout.logps + difference * rollout.mask)
        trainer.update(0, stage, [sampled])
        learned.append([weight.clone() for weight in policy.trainable().values()])
    assert not torch.equal(learned[0][0], next(iter(start.values())))
    assert all(map(torch.equal, *learned))


def test_a_step_on_offline_prompts_alone_logs_no_turns(policy: Policy, env: SelfCorrectEnv) -> None:
    """Every episode of the other batch is unjudged: the step is none that was skipped."""
    options = {"stage_one_steps": 0, "stage_two_steps": 1, "offline_share": 0.5, "max_kl": 5.0}
    config = from_flat(SCoReConfig, {**SMALL, **options})
    rows: list[Any] = []

    class Half(SCoRe):
        def train(self, trainer: Trainer, config: SCoReConfig) -> None:
            collected = trainer.collect_informative

            def unjudged(*values: Any) -> Any:
                rollout = collected(*values)
                return replace(rollout, judged=torch.zeros_like(rollout.judged))

            trainer.collect_informative = unjudged  # type: ignore[method-assign]
            super().train(trainer, config)
            rows.extend(trainer.history)

    Half(policy).learn(env, config)
    (row,) = rows
    assert row["train/grad_norm"] >= 0
    assert not {"train/skipped", "train/same_weights", "t1/kl", "t1/accuracy"} & {*row}
    assert "offline/t2/accuracy" in row
