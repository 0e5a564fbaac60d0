"""The tokenizer and the untrained model of a task."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from selfcorrect_agents.lm.tiny.config import TinyConfig
from selfcorrect_agents.lm.tiny.corpora import find_task
from selfcorrect_env import PROMPTS

if TYPE_CHECKING:
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
)


def build_tokenizer(task: str = "arithmetic") -> PreTrainedTokenizerFast:
    """Build a task's tokenizer, with a token for each character and each fixed text of the task.

    The instructions of the environment are whole sentences, for any language model; here each
    instruction is one token, so an episode has 20 to 40 tokens.

    Raises:
        UnknownNameError: no such task.
    """
    from transformers import PreTrainedTokenizerFast  # slow to import

    task_spec = find_task(task)
    prompts = PROMPTS[task_spec.prompts]
    preamble = prompts.attempt.removesuffix("{prompt}")
    special = ["<pad>", "<unk>", "<eos>"]
    vocabulary = {token: i for i, token in enumerate([*special, *task_spec.symbols])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    tokenizer.add_tokens(
        [AddedToken(text, special=False) for text in (preamble, prompts.correction)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        eos_token="<eos>",
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def build_model(config: TinyConfig, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Build the model with random weights from ``config.seed``."""
    from transformers import LlamaForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return LlamaForCausalLM(model_config(config, tokenizer))


def model_config(config: TinyConfig, tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    """Return the configuration of the model."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=config.hidden_size,
        intermediate_size=4 * config.hidden_size,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        max_position_embeddings=128,
        initializer_range=0.8 / math.sqrt(config.hidden_size),
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=cast(int, tokenizer.eos_token_id),
        pad_token_id=cast(int, tokenizer.pad_token_id),
    )
