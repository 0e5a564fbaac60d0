"""Tiny causal LMs for the generated tasks, pre-trained here in about a minute and cached.

They are ordinary Hugging Face models (Llama architecture, about 100k parameters) with an
ordinary tokenizer and chat template, so everything that works on them works on any causal LM.

What they are taught decides what there is to learn by reinforcement: see `corpora`, one file for
each task. In all of them a base gets *worse* at the second attempt, as the paper's does (section
4, table 1), and the way to the better behaviour is there, but rare.
"""

from selfcorrect_agents.lm.tiny.cache import cache_folder, cache_key, tiny_base
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
    "build_model",
    "build_tokenizer",
    "cache_folder",
    "cache_key",
    "corpus",
    "encode",
    "pretrain",
    "tiny_base",
]
