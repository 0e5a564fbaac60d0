"""Whether a second turn's ids are those that published chat templates write.

    pip install trl
    python benchmarks/chat_templates.py

The templates are read from an installed package (trl ships those of many model families), or from
the ``.jinja`` files of ``--folder``; none is part of this project. For each, a conversation of two
turns is put together in two ways: the whole conversation rendered by the template and tokenised;
and the prompt's ids, the ids of a first reply, and the ids that `Chat` appends to it. The first
reply is plain text, or starts with a thought.

The tokenizer is byte-level BPE without merges; every special token that a template names is one of
its tokens. So a row says whether the template and `Chat` agree, not whether a model was trained
with that template.

Exit status: 0, however many templates differ; 2 if no template was found.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import jinja2
import tyro
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from selfcorrect_agents.lm.chat import Chat
from selfcorrect_agents.lm.template_config import TemplateConfig
from selfcorrect_env import Message

ASKED: list[Message] = [{"role": "user", "content": "What is 2 + 3?"}]
AGAIN: list[Message] = [{"role": "user", "content": "There might be an error. Try again."}]
REPLIES = {"plain": "It is 5.", "thinking": "<think>\n2 + 3\n</think>\n\nIt is 5."}
SPECIAL = re.compile(r"<\|[\w/ ]{1,40}\|>|<｜[^｜<>]{1,40}｜>|</?\w{2,24}>|\[/?[A-Z_]{3,20}\]")
ENDS = ("<|im_end|>", "<end_of_turn>", "<turn|>", "<|eot_id|>", "<|eot|>", "<|end|>", "<|return|>",
        "<|END_OF_TURN_TOKEN|>", "<｜end▁of▁sentence｜>", "<|endoftext|>", "</s>")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where templates are read from."""

    package: str = "trl"
    """An installed package; all .jinja files in it are read."""
    folder: str = ""
    """A folder with .jinja files, instead of the package."""
    only: str = ""
    """A word that a file's name must contain."""


def main(options: Options) -> None:
    """Check every template and print a table."""
    paths = [p for p in template_files(options) if options.only in p.stem]
    if not paths:
        print("No templates found: install the package, or name a --folder.", file=sys.stderr)
        raise SystemExit(2)
    words = sorted({word for path in paths for word in SPECIAL.findall(path.read_text())} | {*ENDS})
    tokenizer = byte_tokenizer(words)
    print(f"{'template':<34}{'end of a turn':<26}" + "".join(f"{name:<22}" for name in REPLIES))
    counts = dict.fromkeys(REPLIES, 0)
    for path in paths:
        end, found = check(tokenizer, path.read_text())
        for name, result in found.items():
            counts[name] += result == "equal"
        print(f"{path.stem:<34}{end:<26}" + "".join(f"{found.get(n, ''):<22}" for n in REPLIES))
    print(", ".join(f"{name}: {count} of {len(paths)} equal" for name, count in counts.items()))


def template_files(options: Options) -> list[Path]:
    """Return the templates' files, sorted."""
    if options.folder:
        return sorted(Path(options.folder).rglob("*.jinja"))
    found = importlib.util.find_spec(options.package)
    places = list(found.submodule_search_locations or []) if found else []
    return sorted(path for place in places for path in Path(place).rglob("*.jinja"))


def byte_tokenizer(special: list[str]) -> PreTrainedTokenizerFast:
    """Return a tokenizer of bytes and of these special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {word: i for i, word in enumerate([*special, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(word, special=True) for word in special])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, clean_up_tokenization_spaces=False)


def check(tokenizer: PreTrainedTokenizerFast, template: str) -> tuple[str, dict[str, str]]:
    """Return how a template ends a turn, and for each kind of reply what was found."""
    tokenizer.chat_template = template
    ends = [end for end in ENDS if end in template]
    tokenizer.eos_token = ends[0] if ends else "<|endoftext|>"
    bos = next((word for word in ("<bos>", "<|begin_of_text|>", "<s>") if word in template), None)
    tokenizer.bos_token = bos or tokenizer.eos_token
    try:
        chat = Chat(tokenizer, template=TemplateConfig())
        end = "none" if chat.turn_end is None else cast(str, tokenizer.decode([chat.turn_end]))
    except ValueError as error:
        return "refused", dict.fromkeys(REPLIES, str(error)[:20])
    return end, {name: compare(chat, reply) for name, reply in REPLIES.items()}


def compare(chat: Chat, reply: str) -> str:
    """Return "equal", or the first place at which the two ways differ."""
    conversation = [*ASKED, {"role": "assistant", "content": reply}, *AGAIN]
    try:
        whole = rendered(chat, conversation)
        opening = chat.prompt_ids(tuple(ASKED))
        written = chat.reply_ids(reply)
        after = chat.follow_up(written, AGAIN)
    except (ValueError, jinja2.TemplateError) as error:
        return str(error)[:20]
    ours = [*opening, *map(chat.context_id, written), *after]
    if ours == whole:
        return "equal"
    same = next((i for i, (a, b) in enumerate(zip(ours, whole, strict=False)) if a != b), 0)
    both = (chat.decode_all(ids[same : same + 8]) for ids in (ours, whole))
    return " / ".join(map(repr, both))


def rendered(chat: Chat, conversation: Sequence[Any]) -> list[int]:
    """Return the ids of a whole conversation as its template alone writes it."""
    template = chat.template.dated(chat.tokenizer.get_chat_template())
    text = chat.tokenizer.apply_chat_template(
        list(conversation), tokenize=False, add_generation_prompt=True, chat_template=template
    )
    ids = chat.tokenizer(cast(str, text), add_special_tokens=False)["input_ids"]
    return cast(list[int], ids)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
