"""Whether a function can be called as a verifier, checked before the first reply is judged."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

EXPECTED = (
    "A verifier is called as verifier(problem, response) and returns a number in [0, 1], a bool "
    "or a Verdict"
)


def check_signature(function: Callable[..., Any], name: str) -> None:
    """Refuse a function that cannot be called with a problem and a response.

    Functions, methods, partials, lambdas and callable objects are accepted if two positional
    arguments fit; their names do not matter. If the signature cannot be read, as for some functions
    written in C, the function is accepted.

    Args:
        function: the function.
        name: its name in the message.

    Raises:
        TypeError: it is a class, ``async``, a generator, or takes other arguments.
    """
    if isinstance(function, type):
        raise TypeError(f"{EXPECTED}; {name} is a class: pass an instance, {name}(…).")
    for inner in (_unwrapped(function), getattr(function, "__call__", None)):  # noqa: B004
        if inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner):
            raise TypeError(f"{EXPECTED}; {name} is async: call asyncio.run in a plain function.")
        if inspect.isgeneratorfunction(inner):
            raise TypeError(f"{EXPECTED}; {name} is a generator: return the score, don't yield it.")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    parameters = list(signature.parameters.values())
    if any(p.name == "completions" and p.kind is not p.VAR_KEYWORD for p in parameters):
        raise TypeError(
            f"{EXPECTED}, for one response at a time; {name}{signature} looks like a reward "
            "function of TRL, which scores a list of completions."
        )
    try:
        signature.bind(None, None)
    except TypeError as error:
        raise TypeError(f"{EXPECTED}; {name}{signature} does not fit: {error}.") from None


def _unwrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(function, functools.partial):
        function = function.func
    return function
