r"""Thoughts of reasoning models, which are never judged: what stands in a thought is no answer.

The marks that are known, in any case:

- ``<think>…</think>`` and its likes: ``<thinking>``, ``<thought>``, ``<reasoning>``,
  ``[THINK]…[/THINK]``, ``◁think▷…◁/think▷``, ``<|begin_of_thought|>…<|end_of_thought|>``
- the channels of gpt-oss: only ``<|channel|>final<|message|>…`` is the reply, with its special
  tokens or with the words that remain where they were stripped (``analysis…assistantfinal…``)

A closing mark without an opening one ends a thought that the prompt opened. A thought that never
ends has no answer after it.
"""

from __future__ import annotations

import re

_MARK = re.compile(
    r"<(?P<open>think|thinking|thought|reasoning)>|</(?:think|thinking|thought|reasoning)>"
    r"|(?P<bracket>\[THINK\])|\[/THINK\]"
    r"|(?P<kimi>◁think▷)|◁/think▷"
    r"|(?P<tokens><\|begin_of_thought\|>)|<\|end_of_thought\|>",
    re.IGNORECASE,
)
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+).{0,200}?<\|message\|>", re.DOTALL)
_END = re.compile(r"<\|(?:end|return|call|start)\|>")
_STRIPPED = re.compile(r"\s*(?:assistant)?(?:analysis|commentary)(?P<glued>[A-Z])?")
_STRIPPED_FINAL = "assistantfinal"


def without_thoughts(reply: str) -> str:
    r"""Return a reply without its thoughts; "" if all of it is thought.

    >>> without_thoughts("<think>2 or 3?</think>It is 3.")
    'It is 3.'
    >>> without_thoughts("2 or 3?</think>It is 3.")
    'It is 3.'
    >>> without_thoughts("<think>It may be 3, but")
    ''
    """
    reply = _final_channel(reply)
    kept: list[str] = []
    start, thinking = 0, False
    for mark in _MARK.finditer(reply):
        if mark.lastgroup is None:  # a closing mark
            kept, start, thinking = (kept if thinking else []), mark.end(), False
        elif not thinking:
            kept.append(reply[start : mark.start()])
            thinking = True
    return "".join(kept) if thinking else "".join([*kept, reply[start:]])


def _final_channel(reply: str) -> str:
    """Return the text of the last final channel; the reply itself if it has no channels."""
    channels = list(_CHANNEL.finditer(reply))
    if channels:
        final = [channel for channel in channels if channel[1].lower() == "final"]
        return _END.split(reply[final[-1].end() :], maxsplit=1)[0] if final else ""
    stripped = _STRIPPED.match(reply)
    if stripped and _STRIPPED_FINAL in reply:
        return reply.rpartition(_STRIPPED_FINAL)[2]
    return "" if stripped and stripped["glued"] else reply
