"""Tiny causal LMs for the generated tasks: shipped, or pre-trained in about a minute and cached.

They are ordinary Hugging Face models (Llama architecture, about 100k parameters) with an
ordinary tokenizer and chat template, so code that works with them works with any causal LM.

The pre-training data determine what reinforcement learning can improve: see `corpora`, one file per
task. In every task a base model gets *worse* at the second attempt, like the paper's (section 4,
table 1), and the better behaviour is possible, but rare.
"""

from selfcorrect_agents.lm.tiny.cache import (
    base_identity,
    base_name,
    cache_key,
    tiny_base,
)
from selfcorrect_agents.lm.tiny.config import TinyConfig
from selfcorrect_agents.lm.tiny.corpora import TASKS, Corpus, Task, corpus
from selfcorrect_agents.lm.tiny.model import CHAT_TEMPLATE, build_model, build_tokenizer
from selfcorrect_agents.lm.tiny.pretrain import IGNORED, encode, pretrain

__all__ = [
    "CHAT_TEMPLATE",
    "IGNORED",
    "TASKS",
    "Corpus",
    "Task",
    "TinyConfig",
    "base_identity",
    "base_name",
    "build_model",
    "build_tokenizer",
    "cache_key",
    "corpus",
    "encode",
    "pretrain",
    "tiny_base",
]
