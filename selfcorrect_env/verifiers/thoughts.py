r"""Thoughts of reasoning models, which are never judged: a thought contains no answer.

The marks that are known, in any case:

- ``<think>…</think>`` and its likes: ``<thinking>``, ``<thought>``, ``<reasoning>``,
  ``<reflection>``, ``<scratchpad>``, ``[THINK]…[/THINK]``, ``◁think▷…◁/think▷``,
  ``<|begin_of_thought|>…<|end_of_thought|>``, ``<|START_THINKING|>…<|END_THINKING|>``,
  ``<|channel>thought…<channel|>``
- the channels of gpt-oss: only ``<|channel|>final<|message|>…`` is the reply, with its special
  tokens or with the words that remain where they were stripped (``analysis…assistantfinal…``)

A closing mark without an opening one ends a thought that the prompt opened. A thought that never
ends has no answer after it. Text after the token that ends the turn is no part of the reply.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TAGS = "(?:seed:)?(?:think|thinking|thoughts?|reasoning|reflection|scratchpad)"
_MARK = re.compile(
    rf"<(?P<open>{_TAGS})>|</{_TAGS}>"
    r"|(?P<bracket>\[THINK\])|\[/THINK\]"
    r"|(?P<kimi>◁think▷)|◁/think▷"
    r"|(?P<channel><\|channel>thought\b)|<channel\|>"
    r"|(?P<tokens><\|(?:begin_of_thought|START_THINKING)\|>)|<\|(?:end_of_thought|END_THINKING)\|>",
    re.IGNORECASE,
)
_CHANNEL = re.compile(
    r"<\|channel\|>\s?(\w+)[^<]{0,200}(?:<\|constrain\|>[^<]{0,40})?<\|message\|>"
)
_END = re.compile(
    r"<\|(?:end|return|call|start|im_end|eot_id|eom_id|endoftext|end_of_text|END_OF_TURN_TOKEN)\|>"
    r"|<(?:end_of_turn|eos)>|<｜end▁of▁sentence｜>"
)
_STRIPPED = re.compile(r"\s*(?:assistant)?(?:analysis|commentary)(?P<glued>[^\W_])?")
_UNUSUAL = re.compile(r"\A\s*(?:assistant)?(?:analysis|commentary)|\[/?THINK\]|◁", re.IGNORECASE)
_STRIPPED_FINAL = "assistantfinal"


@dataclass(frozen=True, slots=True)
class ReplyParts:
    """A reply, and the thoughts beside it."""

    reply: str
    """What stands outside of all thoughts."""
    thoughts: str = ""
    """The thoughts, one after another, without their marks."""
    ended: bool = True
    """Whether the last thought ends."""


def without_thoughts(reply: str) -> str:
    r"""Return a reply without its thoughts; "" if all of it is thought.

    >>> without_thoughts("<think>2 or 3?</think>It is 3.")
    'It is 3.'
    >>> without_thoughts("2 or 3?</think>It is 3.")
    'It is 3.'
    >>> without_thoughts("<think>It may be 3, but")
    ''
    """
    return separated(reply).reply


def separated(reply: str) -> ReplyParts:
    """Separate a reply from its thoughts.

    >>> separated("<think>It may be 3, but")
    ReplyParts(reply='', thoughts='It may be 3, but', ended=False)
    """
    if "<" not in reply and not _UNUSUAL.search(reply):  # the most frequent case, quickly
        return ReplyParts(reply)
    final, analysis, ended = _final_channel(reply)
    if analysis and not ended:
        return ReplyParts("", analysis, ended=False)
    kept: list[str] = []
    thoughts = [analysis] if analysis else []
    start, thinking = 0, False
    for mark in _MARK.finditer(final):
        text = final[start : mark.start()]
        if mark.lastgroup is None:  # a closing mark
            thoughts += [text] if thinking else [*kept, text]
            kept, start, thinking = (kept if thinking else []), mark.end(), False
        elif not thinking:
            kept.append(text)
            start, thinking = mark.end(), True
    (thoughts if thinking else kept).append(final[start:])
    return ReplyParts(_turn("".join(kept)), "".join(thoughts), ended=not thinking)


def _final_channel(reply: str) -> tuple[str, str, bool]:
    """Return the text of the last final channel, what is before it, and whether it exists.

    A reply without channels is its own final channel.
    """
    channels = list(_CHANNEL.finditer(reply))
    if channels:
        final = [channel for channel in channels if channel[1].lower() == "final"]
        if not final:
            return "", reply, False
        return reply[final[-1].end() :], reply[: final[-1].start()], True
    stripped = _STRIPPED.match(reply)
    if stripped and _STRIPPED_FINAL in reply:
        before, _, after = reply.rpartition(_STRIPPED_FINAL)
        return after, before, True
    return ("", reply, False) if stripped and stripped["glued"] else (reply, "", True)


def _turn(text: str) -> str:
    """Return the text up to the token that ends the turn, if there is any before it."""
    ended = _END.search(text)
    if ended is None:
        return text
    before = text[: ended.start()]
    return before if before.strip() else _END.sub("", text)
