"""A server's chat completion as a `Reply`: text, tokens, finish reason, reasoning."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from selfcorrect_env import Generation, Reply

_REASONING = ("reasoning_content", "reasoning")
"""The fields in which servers return a model's reasoning beside its reply."""


def reply_of(completion: str, input_price: float | None, output_price: float | None) -> Reply:
    """Return a completion's first choice as a reply; one without text says why.

    Args:
        completion: the body of the response, as JSON.
        input_price: price of a million tokens of the conversation, or None.
        output_price: price of a million tokens of replies, or None.

    Raises:
        ValueError: this is no chat completion.
    """
    body = json.loads(completion)
    if not isinstance(body, Mapping):
        raise ValueError(f"the response is no JSON object: {completion!r:.80}")
    if not isinstance(body.get("choices"), list):
        problem = body.get("error") or f"its fields are {', '.join(map(str, body)) or 'none'}"
        raise ValueError(f"the response has no choices: {problem!s:.200}")
    choice = body["choices"][0] if body["choices"] else {}
    message = (choice.get("message") or {}) if isinstance(choice, Mapping) else None
    if not isinstance(message, Mapping):
        raise ValueError(f"the response's choice has no message: {choice!r:.80}")
    text, reasoning = _text(message.get("content")), _reasoning(message)
    finish_reason = choice.get("finish_reason")
    finish_reason = finish_reason if isinstance(finish_reason, str) else ""
    usage = _fields(body.get("usage"))
    prompt_tokens, tokens = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    return Reply(
        text,
        tokens=tokens,
        truncated=finish_reason == "length" if finish_reason else None,
        generation=Generation(
            finish_reason=finish_reason,
            reasoning=reasoning,
            empty="" if text else _why_empty(body["choices"], message, finish_reason, reasoning),
            prompt_tokens=prompt_tokens,
            reasoning_tokens=_count(
                _fields(usage.get("completion_tokens_details")), "reasoning_tokens"
            ),
            cost=_cost([(prompt_tokens, input_price), (tokens, output_price)]),
        ),
    )


def _fields(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _count(usage: Mapping[str, Any], name: str) -> int | None:
    """Return a number of tokens, or None if the server gives no such number."""
    value = usage.get(name)
    return value if type(value) is int and value >= 0 else None


def _cost(parts: Sequence[tuple[int | None, float | None]]) -> float | None:
    """Return the price of (tokens, price of a million) pairs; None if one is not known."""
    known = [(tokens, price) for tokens, price in parts if tokens is not None and price is not None]
    return sum(t * price for t, price in known) / 1e6 if len(known) == len(parts) else None


def _text(content: Any) -> str:
    """Return the text of a message's content: a str, null, or a list of parts."""
    if isinstance(content, list):
        return "".join(_text(part.get("text")) for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def _reasoning(message: Mapping[str, Any]) -> str:
    found = (message.get(name) for name in _REASONING)
    return next((text for text in found if isinstance(text, str) and text), "")


def _why_empty(
    choices: list[Any], message: Mapping[str, Any], finish_reason: str, reasoning: str
) -> str:
    if not choices:
        return "no choices"
    if message.get("refusal"):
        return f"refused: {message['refusal']!s:.100}"
    content = message.get("content")
    what = "content is null" if content is None else "content is empty"
    only = ", there is reasoning only" if reasoning else ""
    return f"{what}{only}" + (f" (finish reason {finish_reason})" if finish_reason else "")
