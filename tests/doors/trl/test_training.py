"""SCoRe's stages in TRL's trainer."""

import re
from pathlib import Path

import pytest
import torch
from peft import LoraConfig
from torch.testing import assert_close
from transformers import GPT2Config, GPT2LMHeadModel, MixtralConfig, MixtralForCausalLM
from trl import GRPOConfig, GRPOTrainer
from trl_steps import (
    QUIET,
    digit_seven,
    flat,
    history,
    trainer_of,
)

from selfcorrect_agents.adapters.trl import (
    EpisodeRollouts,
    SCoReGRPOConfig,
    SCoReGRPOTrainer,
    last_score,
)
from selfcorrect_agents.errors import UnjudgedError
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.tiny import TinyConfig, build_tokenizer, tiny_base
from selfcorrect_env import Problem, SelfCorrectEnv, UnjudgedWarning


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


PAGE = Path(__file__).resolve().parents[3] / "docs" / "trainers" / "trl.md"


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


def test_a_mixture_of_experts_is_trained(env: SelfCorrectEnv, tmp_path: Path) -> None:
    """TRL adds the loss of its router, which the credit check leaves out and training has."""
    tokenizer = build_tokenizer()
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "num_hidden_layers": 1}
    sizes = {"vocab_size": len(tokenizer), "hidden_size": 16, "intermediate_size": 16}
    experts = {"num_local_experts": 2, "num_experts_per_tok": 1}
    model = MixtralForCausalLM(MixtralConfig(**sizes, **heads, **experts, **ids, bos_token_id=None))
    Policy(model.eval(), tokenizer).save_pretrained(tmp_path / "experts")
    trainer = trainer_of(str(tmp_path / "experts"), env, tmp_path, max_steps=1)
    assert trainer.aux_loss_enabled
    trainer.train()
    assert trainer.aux_loss_enabled
    assert history(trainer, "aux_loss")
