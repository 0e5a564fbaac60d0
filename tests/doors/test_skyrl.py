"""SkyRL's own generator and estimators over our environment: where each turn's reward goes.

The inference engine is replaced by fixed replies; everything else is the released package. Runs in
SkyRL's environment: ``tests/doors/test_peers.py``.
"""

import asyncio
from typing import Any

import numpy as np
import pytest
import torch
from skyrl.backends.skyrl_train.utils import ppo_utils
from skyrl.train.config import GeneratorConfig, SkyRLGymConfig
from skyrl.train.generators.skyrl_gym_generator import SkyRLGymGenerator
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from selfcorrect_env.serving.skyrl import register, rows

ID = "SelfCorrect-Arithmetic-v0"
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WRONG, RIGHT = "3", "4204"
"""Replies to the first problem of the split train."""

pytestmark = pytest.mark.filterwarnings("default")  # those of SkyRL and its libraries


def byte_tokenizer() -> Any:
    """Return a tokenizer with a token for each byte and ChatML's template."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(letters)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made,
        eos_token="<|im_end|>",
        additional_special_tokens=["<|im_start|>", "<|im_end|>"],
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


class FixedReplies:
    """An inference engine that gives each session its replies in order."""

    def __init__(self, tokenizer: Any, replies: tuple[str, ...]) -> None:
        self.tokenizer, self.replies = tokenizer, replies
        self.turns: dict[str, int] = {}

    async def generate(self, engine_input: Any, model: Any = None) -> dict[str, Any]:
        (session,) = engine_input["session_ids"]
        turn = self.turns.get(session, 0)
        self.turns[session] = turn + 1
        text = self.replies[turn]
        ids = [*self.tokenizer.encode(text), self.tokenizer.eos_token_id]
        return {"responses": [text], "response_ids": [ids], "stop_reasons": ["stop"]}

    async def finish_session(self, session: str) -> None:
        del self.turns[session]


def generate(alpha: float, *replies: str) -> dict[str, Any]:
    """Return what SkyRL's generator makes of one episode."""
    register()
    tokenizer = byte_tokenizer()
    generator = SkyRLGymGenerator(
        generator_cfg=GeneratorConfig(max_turns=2, max_input_length=2048),
        skyrl_gym_cfg=SkyRLGymConfig(),
        inference_engine_client=FixedReplies(tokenizer, replies),
        tokenizer=tokenizer,
    )
    (row,) = rows(ID, split="train", n=1, alpha=alpha)
    batch = {
        "prompts": [row["prompt"]],
        "env_classes": [row["env_class"]],
        "env_extras": [{k: v for k, v in row.items() if k not in ("prompt", "env_class")}],
        "sampling_params": None,
        "trajectory_ids": None,
        "batch_metadata": None,
    }
    return asyncio.run(generator.generate(batch))


@pytest.mark.parametrize(
    ("replies", "alpha", "rewards"),
    [
        ((WRONG, RIGHT), 0.0, [0.0, 1.0]),
        ((WRONG, RIGHT), 10.0, [0.0, 11.0]),
        ((RIGHT, WRONG), 10.0, [1.0, -10.0]),
        ((RIGHT, RIGHT), 0.0, [1.0, 1.0]),
    ],
)
def test_each_turns_reward_is_on_its_last_token(
    replies: tuple[str, str], alpha: float, rewards: list[float]
) -> None:
    made = generate(alpha, *replies)
    mask, paid = made["loss_masks"][0], made["rewards"][0]
    ends = [len(replies[0]), len(mask) - 1]  # bytes of the first reply, then its end token
    assert [paid[end] for end in ends] == rewards
    assert sum(map(abs, paid)) == sum(map(abs, rewards))
    tokens = sum(len(reply) + 1 for reply in replies)
    assert sum(mask) == tokens  # the instruction between the turns is in no loss
    assert all(mask[: len(replies[0]) + 1])


def test_the_metrics_are_logged() -> None:
    metrics = generate(0.0, WRONG, RIGHT)["rollout_metrics"]
    assert metrics["environment/accuracy_t1"] == 0.0
    assert metrics["environment/accuracy_t2"] == 1.0
    assert metrics["environment/i_to_c"] == 1.0


def paid_first(estimator: str, alpha: float, **options: Any) -> dict[str, float]:
    """Return the advantage of the first attempt's tokens, for each pair of replies."""
    pairs = {"wrong, right": (0, 1), "right, right": (1, 1), "wrong, wrong": (0, 0)}
    rewards = torch.zeros(len(pairs), 6)  # two turns of two tokens, two tokens between them
    for line, (first, second) in enumerate(pairs.values()):
        rewards[line, 1] = first
        rewards[line, 5] = second + alpha * (second - first)
    advantages, _ = ppo_utils.AdvantageEstimatorRegistry.get(estimator)(
        token_level_rewards=rewards,
        response_mask=torch.ones_like(rewards),
        index=np.array(["problem"] * len(pairs)),
        grpo_norm_by_std=False,
        **options,
    )
    return dict(zip(pairs, advantages[:, 0].tolist(), strict=True))


@pytest.mark.parametrize("estimator", ["grpo", "rloo", "maxrl", "reinforce++"])
def test_with_the_bonus_a_wrong_first_attempt_would_be_paid_most(estimator: str) -> None:
    """What docs/trainers/skyrl.md warns of; without the bonus it is not so."""
    options = {"gamma": 1.0} if estimator == "reinforce++" else {}
    plain = paid_first(estimator, 0.0, **options)
    assert plain["right, right"] > plain["wrong, right"] > plain["wrong, wrong"]
    bonus = paid_first(estimator, 10.0, **options)
    assert bonus["wrong, right"] > bonus["right, right"]
