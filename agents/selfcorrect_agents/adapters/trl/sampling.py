"""What samples for a TRL trainer: our sampler, or `EngineSampler` on TRL's own engine.

TRL's engine is what its arguments select: vLLM, continuous batching, or ``generate`` of
transformers, with the weights of sharded models gathered as it needs them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import torch

from selfcorrect_agents.lm.chat import Chat
from selfcorrect_agents.lm.player import Player
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.template_config import TemplateConfig
from selfcorrect_agents.lm.turns import Context, TokenRows, Turn, TurnEnds


def player_of(trainer: Any) -> Player:
    """Return what samples for a trainer: our sampler, or the engine that its arguments ask for.

    Our sampler keeps the keys and values of earlier turns. It runs where the whole model is in the
    process and no option of TRL's asks for an engine or for another distribution. It sets the
    model's dropout to 0, as `Policy` does; with TRL's engine, ``disable_dropout`` decides.
    """
    arguments = trainer.args.chat_template_kwargs or {}
    template = TemplateConfig(args=tuple(f"{k}={json.dumps(v)}" for k, v in arguments.items()))
    if samples_here(trainer):
        autocast = {"bf16": torch.bfloat16, "fp16": torch.float16}
        precision = trainer.accelerator.mixed_precision
        model = trainer.accelerator.unwrap_model(trainer.model)
        mode = model.training
        policy = Policy(
            model,
            trainer.processing_class,
            autocast=autocast.get(precision),
            template=template,
        )
        model.train(mode)  # of the trainer's step, which is in progress
        return policy
    chat = Chat(trainer.processing_class, frozenset(trainer.eos_token_ids), template=template)
    return Player(chat, EngineSampler(trainer, chat.ends))


def samples_here(trainer: Any) -> bool:
    """Whether our own sampler draws the replies of a trainer; otherwise TRL's engine does."""
    args = trainer.args
    engine = args.use_vllm or args.use_transformers_continuous_batching
    sharded = trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled
    changed = (args.top_p, args.top_k, args.min_p) != (1.0, 0, None)
    penalised = args.repetition_penalty != 1.0 or bool(args.generation_kwargs)
    return not (engine or sharded or changed or penalised)


class EngineSampler:
    """A `Sampler` on a TRL trainer's engine.

    Args:
        trainer: a ``GRPOTrainer``. Its temperature and its ``max_completion_length`` are used.
        ends: how turns end.
    """

    def __init__(self, trainer: Any, ends: TurnEnds) -> None:
        self.trainer, self.ends = trainer, ends

    def start(self, prompts: Sequence[Sequence[int]], samples: int = 1) -> Context:
        """Read prompts; row ``i`` of the context belongs to prompt ``i // samples``."""
        return EngineContext(self, prompts, samples)


class EngineContext(TokenRows):
    """Rows of ids that TRL's engine continues; see `Context`.

    Every turn is asked for with all ids before it: an engine with a prefix cache reads them once.
    """

    def __init__(
        self, sampler: EngineSampler, prompts: Sequence[Sequence[int]], samples: int
    ) -> None:
        super().__init__(sampler.ends, prompts, samples, sampler.trainer.accelerator.device)
        self._trainer = sampler.trainer

    def sample(
        self,
        max_new_tokens: int,
        temperature: float,
        generator: torch.Generator | None = None,
        top_p: float = 1.0,
    ) -> Turn:
        """Sample one turn of every row and append it.

        The arguments are those that the engine was set up with; it has its own random numbers.
        `Turn.logps` is NaN where the engine gives none.
        """
        sampled, logps = self._trainer._generate_single_turn(self.tokens(), None, {}, 1)
        lengths = [self.ends.length(ids) for ids in sampled]  # the engine may know fewer ends
        rows = [list(ids[:length]) for ids, length in zip(sampled, lengths, strict=True)]
        given = [[math.nan] * len(row) for row in rows] if logps is None else logps
        values = [
            [math.nan if value is None else value for value in known[: len(row)]]
            for known, row in zip(given, rows, strict=True)
        ]
        ended = [length is not None for length in lengths]
        turn = Turn.of(rows, values, ended, pad_id=self.ends.pad_id, device=self.ids.device)
        self.take(turn)
        return turn
