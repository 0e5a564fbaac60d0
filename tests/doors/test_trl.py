"""SCoRe inside TRL's GRPO trainer, with the released package."""

import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from torch import Tensor
from torch.testing import assert_close
from transformers import GPT2Config, GPT2LMHeadModel

from selfcorrect_agents.errors import CreditError, LearningError, UnjudgedError
from selfcorrect_agents.lm.learner import Learner, adamw
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.tiny import TinyConfig, build_model, build_tokenizer, tiny_base
from selfcorrect_agents.rl.config import Objective
from selfcorrect_agents.rl.credit import own_turn
from selfcorrect_agents.rl.loss import Batch, Part, loss, mean_length
from selfcorrect_agents.rl.rollout import Rollout, collect
from selfcorrect_agents.rl.scoring import score
from selfcorrect_agents.rl.update import update
from selfcorrect_agents.training.trainer import Stage
from selfcorrect_env import Problem, ProblemSet, ProblemSetError, SelfCorrectEnv, UnjudgedWarning

pytest.importorskip("trl")

from trl import GRPOConfig, GRPOTrainer

from selfcorrect_agents.adapters.trl import (
    EpisodeRollouts,
    SCoReGRPOConfig,
    SCoReGRPOTrainer,
    last_score,
)
from selfcorrect_agents.adapters.trl.rollouts import columns_of

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


@pytest.fixture(autouse=True)
def _silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    with warnings.catch_warnings():
        # torch's, of a data loader that pins memory without an accelerator
        warnings.filterwarnings("ignore", "'pin_memory' argument is set as true")
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An untrained tiny model, saved: TRL loads the reference from where the model came from."""
    path = tmp_path_factory.mktemp("tiny")
    tokenizer = build_tokenizer()
    model = build_model(TinyConfig(hidden_size=16, layers=1, heads=2, seed=0), tokenizer)
    Policy(model.eval(), tokenizer).save_pretrained(path)
    return str(path)


@pytest.fixture(scope="module")
def env() -> SelfCorrectEnv:
    return SelfCorrectEnv("arithmetic", split="train", size=40)


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


# -- what is sampled is what is trained on -------------------------------------------------
def test_the_completion_is_the_episode_token_for_token(folder: str, env: SelfCorrectEnv) -> None:
    policy = Policy.from_pretrained(folder)
    rollout = played(policy, env)
    columns = columns_of(rollout)
    instruction = {"role": "user", "content": env.prompts.correction}
    for row, episode in enumerate(rollout.episodes):
        prompt, completion = columns["prompt_ids"][row], columns["completion_ids"][row]
        assert prompt == policy.chat.prompt_ids(env.prompts.first(episode.problem))
        turns = [
            rollout.sampled[row, rollout.mask[row] & (rollout.turn == t)].tolist() for t in (0, 1)
        ]
        ended = turns[0][-1:] if turns[0][-1] in policy.chat.eos_ids else []
        between = policy.chat.follow_up(ended, [instruction])
        assert completion == [*turns[0], *between, *turns[1]]
        assert columns["turn"][row] == (
            [0] * len(turns[0]) + [-1] * len(between) + [1] * len(turns[1])
        )
        trained = [int(t >= 0) for t in columns["turn"][row]]
        assert columns["env_mask"][row] == (trained if rollout.judged[row] else [0] * len(trained))


def test_an_end_that_later_turns_do_not_read_is_not_trained(
    folder: str, env: SelfCorrectEnv
) -> None:
    """TRL scores the ids of a completion: those of an earlier turn are what the next one reads."""
    rollout = played(Policy.from_pretrained(folder), env)
    first, last = int(rollout.mask[1, rollout.turn == 0].sum()) - 1, int(rollout.mask[1].sum())
    sampled = rollout.sampled.clone()
    sampled[1, first] = 1  # the first turn's last token, and below the second's
    at = int(rollout.mask[1].nonzero()[-1])
    sampled[1, at] = 1
    columns = columns_of(replace(rollout, sampled=sampled))
    before = columns_of(rollout)
    assert columns["completion_ids"][1][-1] == 1
    assert columns["completion_ids"][1][:-1] == before["completion_ids"][1][:-1]
    assert sum(columns["env_mask"][1]) == last - 1
    assert columns["turn"][1][first] == -1


def test_trls_engine_continues_the_ids_of_the_first_turn(
    folder: str, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    """An option that our sampler lacks selects TRL's generate: each turn reads all ids before."""
    trainer = trainer_of(folder, env, tmp_path, top_k=8, temperature=0.7)
    asked: list[list[list[int]]] = []
    generate = trainer._generate_single_turn

    def recorded(prompts: list[list[int]], *args: Any) -> Any:
        asked.append(prompts)
        return generate(prompts, *args)

    trainer._generate_single_turn = recorded
    batch = batch_of(trainer)
    assert len(asked) == 2
    for row, second in enumerate(asked[1]):
        real = batch["completion_mask"][row].bool()
        whole = asked[0][row] + batch["completion_ids"][row, real].tolist()
        assert whole[: len(second)] == second
        sampled = batch["tool_mask"][row, real].tolist()
        reply = int(sum(sampled[len(second) - len(asked[0][row]) :]))
        assert len(whole) == len(second) + reply
    assert batch["advantages"].shape == batch["completion_ids"].shape


def test_nothing_of_the_reference_is_in_what_a_model_or_trl_reads(
    folder: str, tmp_path: Path
) -> None:
    problems = ProblemSet(
        [Problem(id=str(i), prompt=f"{i}+{i}=", reference=f"={i + 70}") for i in range(3)],
        name="marked",
    )
    trainer = trainer_of(
        folder, SelfCorrectEnv(problems, verifier=digit_seven, prompts="arithmetic"), tmp_path
    )
    dataset = trainer.rollouts["train"].dataset()
    assert dataset.column_names == ["prompt"]
    batch = batch_of(trainer)
    read = batch["prompt_ids"].tolist(), batch["completion_ids"].tolist()
    given = batch["completion_mask"] - batch["completion_mask"] * batch["tool_mask"]
    texts = trainer.processing_class.batch_decode(read[0])
    texts += [trainer.processing_class.decode(r[m.bool()]) for r, m in
              zip(batch["completion_ids"], given, strict=True)]  # fmt: skip
    texts.append(json.dumps(dataset.to_list()))
    marks = [problem.reference for problem in problems]
    assert not [mark for mark in marks if any(mark in text for text in texts)]


def test_prompts_that_name_two_problems_are_refused() -> None:
    twice = [Problem(id=name, prompt="1+1", reference=name) for name in ("2", "3")]
    with pytest.raises(ProblemSetError, match="'2' and '3' have one prompt"):
        EpisodeRollouts(SelfCorrectEnv(ProblemSet(twice, name="twice"), verifier="exact"))


# -- the same loss and gradient ------------------------------------------------------------
@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("loss_type", ["dr_grpo", "dapo"])
def test_the_loss_and_its_gradient_are_those_of_our_trainer(
    folder: str, env: SelfCorrectEnv, tmp_path: Path, loss_type: str, stage: int
) -> None:
    policy = moved(folder)
    rollout = played(policy, env)
    steps = {"stage_one_steps": 5 * (stage == 1), "stage_two_steps": 5 * (stage == 2)}
    trainer = trainer_of(
        policy.model, env, tmp_path, options={"processing_class": policy.tokenizer},
        loss_type=loss_type, beta_1=0.3, beta_2=0.5, alpha=3.0, **steps,
    )  # fmt: skip
    trainer.rollouts["train"] = Replay(env, rollout)
    batch = batch_of(trainer)
    theirs = trainer._compute_loss(trainer.model, batch)
    weights = [weight for weight in trainer.model.parameters() if weight.requires_grad]
    of_theirs = flat(torch.autograd.grad(theirs, weights))

    reference = Policy.from_pretrained(folder)
    theory = trainer.stages[stage - 1]
    assert theory.betas == ([0.8, 0.3] if stage == 1 else [0.3, 0.3])
    ours = Batch(rollout=rollout, rewards=theory.rewards(rollout.scores), betas=theory.betas)
    unit = "sequence" if loss_type == "dr_grpo" else "token"
    learner = Learner(policy.model, adamw(policy.model, 0.0), max_grad_norm=1e9)
    update(policy, reference, learner, [ours], Objective(kl="k1_reward", unit=unit))
    of_ours = flat(weight.grad for weight in weights)
    assert of_ours.abs().max() > 1e-2
    assert_close(of_theirs, of_ours, atol=1e-5, rtol=1e-4)

    # the value: PPO's surrogate token by token, which TRL's loss is, instead of A log π
    clipped = Objective(kl="k1_reward", unit="token", clip=trainer.epsilon_low)
    scores = score(policy, reference, rollout)
    penalty = torch.tensor(theory.betas) * rollout.turn_sum(scores.logps - scores.ref_logps)
    surrogate = loss(scores, Part.of(ours, clipped, penalty.detach()), clipped)
    per_episode = mean_length([rollout]) if loss_type == "dr_grpo" else 1.0
    assert_close(theirs, surrogate * per_episode, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize("stage", [1, 2])
def test_each_turn_trains_as_in_our_trainer(
    folder: str, env: SelfCorrectEnv, tmp_path: Path, stage: int, turn: int
) -> None:
    """The gradient of one turn's tokens alone."""
    policy = moved(folder)
    rollout = played(policy, env)
    steps = {"stage_one_steps": 5 * (stage == 1), "stage_two_steps": 5 * (stage == 2)}
    trainer = trainer_of(
        policy.model, env, tmp_path, options={"processing_class": policy.tokenizer}, **steps
    )
    trainer.rollouts["train"] = Replay(env, rollout)
    batch = batch_of(trainer)
    at = torch.full_like(batch["completion_ids"], -1)
    for row, turns in enumerate(columns_of(rollout)["turn"]):
        at[row, : len(turns)] = torch.tensor(turns)
    assert bool((batch["advantages"][at == -1] == 0).all())
    batch["advantages"] = torch.where(at == turn, batch["advantages"], 0.0)
    weights = list(trainer.model.parameters())
    theirs = flat(torch.autograd.grad(trainer._compute_loss(trainer.model, batch), weights))

    theory, reference = trainer.stages[stage - 1], Policy.from_pretrained(folder)
    ours = Batch(rollout=rollout, rewards=theory.rewards(rollout.scores), betas=theory.betas)
    objective = Objective(kl="k1_reward")
    scores = score(policy, reference, rollout)
    penalty = torch.tensor(theory.betas) * rollout.turn_sum(scores.logps - scores.ref_logps)
    part = Part.of(ours, objective, penalty.detach())
    only = torch.zeros_like(part.advantages)
    only[:, turn] = part.advantages[:, turn]
    total = loss(scores, replace(part, advantages=only), objective)
    expected = flat(torch.autograd.grad(total, weights))
    assert expected.abs().max() > 1e-4
    assert_close(theirs, expected, atol=1e-6, rtol=1e-4)


def test_groups_are_normalised_turn_by_turn(
    folder: str, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    policy = moved(folder)
    rollout = played(policy, env)
    trainer = trainer_of(
        policy.model, env, tmp_path, options={"processing_class": policy.tokenizer},
        scale_rewards="group", loss_type="dapo", stage_one_steps=0, beta_1=0.0, beta_2=0.0,
    )  # fmt: skip
    trainer.rollouts["train"] = Replay(env, rollout)
    advantages = batch_of(trainer)["advantages"]
    assert trainer.ref_model is None
    stage = trainer.stages[1]
    ours = Batch(rollout=rollout, rewards=stage.rewards(rollout.scores), betas=stage.betas)
    expected = Part.of(ours, Objective(advantage="group_normalised")).advantages
    for row, turns in enumerate(columns_of(rollout)["turn"]):
        want = [float(expected[row, turn]) if turn >= 0 else 0.0 for turn in turns]
        assert_close(advantages[row, : len(turns)], torch.tensor(want))


# -- the credit check ----------------------------------------------------------------------
def leaking(scores: Tensor) -> Tensor:
    return scores.sum(dim=1, keepdim=True).expand_as(scores)


class OneReward(SCoReGRPOTrainer):
    """As TRL itself: one advantage an episode."""

    def _advantages(self, *args: Any) -> Tensor:
        per_turn = super()._advantages(*args)
        return per_turn.sum(dim=1, keepdim=True).expand_as(per_turn)


def test_a_reward_that_reaches_another_turn_is_refused_before_the_first_step(
    folder: str, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    trainer = trainer_of(folder, env, tmp_path)
    before = flat(trainer.model.parameters()).clone()
    wrong = Stage(rewards=leaking, betas=[0.1, 0.1], reach=own_turn(2), learning_rate=1e-3)
    trainer.stages = wrong, wrong
    with pytest.raises(CreditError, match="attempt 1 should train attempt 1 but trains attempt 1 "):
        trainer.train()
    assert_close(flat(trainer.model.parameters()), before, atol=0, rtol=0)


def test_one_advantage_an_episode_is_refused(
    folder: str, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    args = SCoReGRPOConfig(output_dir=str(tmp_path), **QUIET)
    with pytest.raises(CreditError, match="in TRL's loss"):
        OneReward(folder, env, args=args).train()


def test_frozen_weights_are_refused(folder: str, env: SelfCorrectEnv, tmp_path: Path) -> None:
    trainer = trainer_of(folder, env, tmp_path)
    trainer.model.requires_grad_(False)
    trainer.current_gradient_accumulation_steps = 1
    with pytest.raises(CreditError, match="all frozen"):
        batch_of(trainer)


# -- training ------------------------------------------------------------------------------
def history(trainer: SCoReGRPOTrainer, key: str) -> list[float]:
    return [row[key] for row in trainer.state.log_history if key in row]


def test_both_stages_run_with_their_learning_rates(
    folder: str, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    trainer = trainer_of(
        folder, env, tmp_path, stage_one_steps=2, stage_two_steps=1, rounds=2,
        learning_rate=1e-3, stage_two_learning_rate=5e-4, report_to="tensorboard",
    )  # fmt: skip
    trainer.train()
    (events,) = (tmp_path / "out").rglob("events.out.tfevents*")
    assert b"train/t2/accuracy" in events.read_bytes()
    assert history(trainer, "stage") == [1, 1, 2, 1, 1, 2]
    assert history(trainer, "learning_rate") == [1e-3, 1e-3, 5e-4, 1e-3, 1e-3, 5e-4]
    assert all(reward == 0 for reward in history(trainer, "t1/reward")[:2])
    assert abs(history(trainer, "t1/kl")[0]) < 1e-5


def test_stage_one_teaches_the_second_attempt_and_holds_the_first(
    folder: str, tmp_path: Path
) -> None:
    env = SelfCorrectEnv("arithmetic", split="train", size=200, verifier=digit_seven)
    trainer = trainer_of(
        folder, env, tmp_path, stage_one_steps=12, stage_two_steps=0, learning_rate=2e-2,
        beta_1=0.0, beta_2=0.5, per_device_train_batch_size=64, num_generations=8,
        max_completion_length=3, max_grad_norm=0.3, adam_beta2=0.99,
    )  # fmt: skip
    trainer.train()
    first, last = history(trainer, "t1/accuracy"), history(trainer, "t2/accuracy")
    assert last[0] < 0.3
    assert sum(last[-3:]) / 3 > 0.7
    assert sum(first[-3:]) / 3 < 0.3


def test_lora_trains_the_adapter_and_is_its_own_reference(
    folder: str, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    lora = LoraConfig(r=4, target_modules=["q_proj", "v_proj"])
    trainer = trainer_of(
        folder, env, tmp_path, options={"peft_config": lora}, stage_one_steps=1, stage_two_steps=2,
        learning_rate=5e-2,
    )  # fmt: skip
    before = {name: weight.clone() for name, weight in trainer.model.named_parameters()}
    trainer.train()
    assert trainer.ref_model is None
    assert abs(history(trainer, "t1/kl")[0]) < 1e-5
    assert abs(history(trainer, "t1/kl")[-1]) > 1e-4
    changed = {
        name
        for name, weight in trainer.model.named_parameters()
        if not torch.equal(weight, before[name])
    }
    assert changed
    assert all("lora_" in name for name in changed)


def out_of_order(problem: Problem, response: str) -> float:
    raise RuntimeError("out of order")


def test_a_model_without_our_forward_pass_samples_with_checkpointing_on(
    env: SelfCorrectEnv, tmp_path: Path
) -> None:
    """Its cache is transformers' own. The first step's KL is 0 if it samples what it scores."""
    tokenizer = build_tokenizer()
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=64, n_embd=16, n_layer=1, n_head=2,
        eos_token_id=tokenizer.eos_token_id, bos_token_id=tokenizer.bos_token_id,
    )  # fmt: skip
    policy = Policy(GPT2LMHeadModel(config), tokenizer)
    assert policy.decoder is None
    policy.save_pretrained(tmp_path / "gpt2")
    trainer = trainer_of(
        str(tmp_path / "gpt2"), env, tmp_path, activation_checkpointing=True, stage_one_steps=1,
        stage_two_steps=1, learning_rate=1e-2,
    )  # fmt: skip
    trainer.train()
    for turn in ("t1/kl", "t2/kl"):
        first, second = history(trainer, turn)
        assert abs(first) < 1e-5 < abs(second)


def test_a_verifier_that_always_fails_ends_training(folder: str, tmp_path: Path) -> None:
    env = SelfCorrectEnv("arithmetic", split="train", size=40, verifier=out_of_order)
    trainer = trainer_of(folder, env, tmp_path, stage_one_steps=5)
    with (
        pytest.warns(UnjudgedWarning, match="out of order"),
        pytest.raises(UnjudgedError, match="in 3 steps in a row"),
    ):
        trainer.train()
    assert history(trainer, "unjudged") == [12, 12]


def test_a_run_continues_from_its_checkpoint(
    folder: str, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    how = {"stage_one_steps": 2, "stage_two_steps": 2, "save_strategy": "steps", "save_steps": 3}
    whole = trainer_of(folder, env, tmp_path, **how)
    whole.train()
    again = trainer_of(folder, env, tmp_path, **how)
    again.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-3"))
    assert history(again, "stage")[-1] == 2
    assert_close(flat(again.model.parameters()), flat(whole.model.parameters()))


def test_a_plain_grpo_trainer_takes_the_rollout_function(
    folder: str, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    rollouts = EpisodeRollouts(env)
    trainer = GRPOTrainer(
        folder,
        last_score,
        GRPOConfig(output_dir=str(tmp_path), max_steps=2, **QUIET),
        train_dataset=rollouts.dataset(),
        rollout_func=rollouts,
    )
    trainer.train()
    assert trainer.state.global_step == 2


@pytest.mark.slow
def test_it_learns_the_arithmetic_task(tmp_path: Path) -> None:
    """The base model gets worse at its second attempt; SCoRe lets it correct itself."""
    base = str(tiny_base(TinyConfig()))
    args = SCoReGRPOConfig(
        output_dir=str(tmp_path),
        **{
            **QUIET,
            "logging_steps": 20,
            "stage_one_steps": 180,
            "stage_two_steps": 20,
            "beta_1": 0.15,
            "beta_2": 0.05,
            "learning_rate": 5e-4,
            "stage_two_learning_rate": 1e-4,
            "num_generations": 8,
            "per_device_train_batch_size": 64,
            "max_completion_length": 16,
            "max_grad_norm": 0.3,
            "adam_beta2": 0.99,
        },
    )
    trainer = SCoReGRPOTrainer(base, "SelfCorrect-Arithmetic-v0", args=args)
    trainer.train()
    first, last = history(trainer, "t1/accuracy"), history(trainer, "t2/accuracy")
    assert last[0] < first[0] + 0.02
    assert last[-1] > 0.8
    assert abs(first[-1] - first[0]) < 0.1


# -- the page ------------------------------------------------------------------------------
PAGE = Path(__file__).resolve().parents[2] / "docs" / "trainers" / "trl.md"


def test_the_page_has_a_complete_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With two steps instead of its own number."""
    section = PAGE.read_text(encoding="utf-8").partition("## A complete run\n")[2]
    code = section.partition("```python\n")[2].partition("```")[0]
    assert len(code.splitlines()) < 15
    short, changed = re.subn(r'(stage_\w+_steps"): \d+', r"\1: 1", code)
    assert changed == 2
    monkeypatch.chdir(tmp_path)
    exec(compile(short, str(PAGE), "exec"), {})
    assert (tmp_path / "runs" / "trl" / "config.json").exists()


# -- several processes ---------------------------------------------------------------------
LAUNCHED = '''
import sys, torch
torch.set_num_threads(1)
from selfcorrect_agents.adapters.trl import EpisodeRollouts, SCoReGRPOConfig, SCoReGRPOTrainer
from selfcorrect_env import SelfCorrectEnv

folder, played, weights, rows = sys.argv[1:]


class Replay(EpisodeRollouts):
    """The same episodes in any number of processes: each takes its rows of them."""

    def __call__(self, prompts, trainer):
        start = trainer.accelerator.process_index * len(prompts)
        columns = torch.load(played)
        return {name: values[start : start + len(prompts)] for name, values in columns.items()}


def trained(replayed):
    args = SCoReGRPOConfig(
        output_dir=weights + "-out", stage_one_steps=1, stage_two_steps=1, beta_1=0.3, beta_2=0.5,
        learning_rate=1e-2, optim="sgd", use_cpu=True, bf16=False, activation_checkpointing=False,
        report_to="none", save_strategy="no", disable_tqdm=True, num_generations=4,
        per_device_train_batch_size=int(rows), max_completion_length=6, logging_steps=1,
    )
    env = SelfCorrectEnv("arithmetic", split="train", size=40)
    trainer = SCoReGRPOTrainer(folder, env, args=args)
    if replayed:
        trainer.rollouts["train"] = Replay(env)
    trainer.train()
    return trainer


trainer = trained(True)
state = trainer.accelerator.unwrap_model(trainer.model).state_dict()
if trainer.accelerator.is_main_process:
    torch.save({"state": state, "log": trainer.state.log_history}, weights)
assert trained(False).state.global_step == 2
print("processes", trainer.accelerator.num_processes)
'''


@pytest.mark.slow
def test_two_processes_take_the_step_of_one(
    folder: str, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    """Baselines are over all processes: a problem's samples lie in both of them."""
    policy = moved(folder)
    torch.save(columns_of(played(policy, env)), tmp_path / "played")
    script = tmp_path / "launched.py"
    script.write_text(LAUNCHED)
    results = []
    for processes in (1, 2):
        weights = tmp_path / f"weights{processes}"
        launch = [
            *(sys.executable, "-m", "accelerate.commands.launch", "--num_machines", "1"),
            *("--num_processes", str(processes), "--mixed_precision", "no"),
            *("--dynamo_backend", "no", *(["--multi_gpu"] * (processes > 1)), str(script)),
        ]
        rows = SAMPLES * PROBLEMS // processes
        done = subprocess.run(
            [*launch, folder, str(tmp_path / "played"), str(weights), str(rows)],
            env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(f"processes {processes}") == processes
        results.append(torch.load(weights, weights_only=True))
    one, two = (flat(result["state"].values()) for result in results)
    start = flat(Policy.from_pretrained(folder).model.state_dict().values())
    assert (one - start).abs().max() > 1e-3
    assert_close(two, one, atol=1e-6, rtol=1e-5)
    for key in ("grad_norm", "t1/accuracy", "t2/reward", "t1/kl", "unjudged"):
        of_one, of_two = ([row[key] for row in r["log"] if key in row] for r in results)
        assert of_two == pytest.approx(of_one, rel=1e-4, abs=1e-6)


# -- what is refused -----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"beta": 0.04}, "beta must be left out"),
        ({"scale_rewards": "batch"}, "scale_rewards must be none or group"),
        ({"max_steps": 500}, "max_steps must be at most 200"),
        ({"alpha": -1.0}, "alpha must be at least 0"),
        ({"stage_two_learning_rate": 0.0}, "stage_two_learning_rate must be above 0"),
        ({"max_completion_length": None}, "max_completion_length must be at least 1"),
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


def test_without_trl_the_error_names_the_extra() -> None:
    code = "import sys; sys.modules['trl'] = None; import selfcorrect_agents.adapters.trl"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip().endswith("pip install 'selfcorrect-env[trl]'.")
