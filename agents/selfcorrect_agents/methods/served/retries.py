"""Requests that are made again: after 429, a server's error, a time-out, a cut connection."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from openai import APIStatusError

T = TypeVar("T")

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds before the second request, and the most before any; the waits between double."""
LONGEST_ASKED_WAIT = 600.0
"""The most seconds that a server's ``Retry-After`` is followed for."""
_PASSING = frozenset({408, 409, 425, 429})
_REFUSED = frozenset({401, 402, 403, 404, 405, 429})
"""States of an account or an address; a 429 is one if it does not pass."""


@dataclass(frozen=True, slots=True)
class RequestFailure:
    """Why a request failed for good."""

    cause: str
    """One line."""
    general: bool
    """Whether other requests must be expected to fail likewise: a wrong key, no model of that name,
    no server."""


async def requested(
    request: Callable[[], Awaitable[T]],
    *,
    retries: int,
    timeout: float,
    again: Callable[[int, str], None] = lambda tries, cause: None,
) -> tuple[T | RequestFailure, int]:
    """Make a request, again if that may help.

    Args:
        request: makes it once. It raises errors of ``openai``, or ValueError if the body is no
            chat completion.
        retries: how often it is made again at most.
        timeout: seconds for each.
        again: called before each wait, with the number of requests so far and why the last failed.

    Returns:
        The result, or why there is none for good; and the number of requests.
    """
    from openai import APIConnectionError, APIStatusError

    tries = 0
    while True:
        tries += 1
        try:
            return await asyncio.wait_for(request(), timeout), tries
        except APIStatusError as error:
            cause, asked_wait = _status(error), _asked_wait(error)
            if not _passes(error):
                return RequestFailure(cause, general=error.status_code in _REFUSED), tries
        except asyncio.TimeoutError:
            cause, asked_wait = f"no answer within {timeout:g} s", None
        except (APIConnectionError, ValueError) as error:
            cause, asked_wait = _described(error), None
        if tries > retries:
            times = f"{tries} requests" if tries > 1 else "1 request"
            return RequestFailure(f"{times} failed, the last one: {cause}", general=True), tries
        again(tries, cause)
        await asyncio.sleep(_wait(tries) if asked_wait is None else asked_wait)


def _wait(tries: int) -> float:
    """Return seconds to wait: doubled with each try, and spread, so that not all come at once."""
    return min(LONGEST_WAIT, FIRST_WAIT * 2 ** (tries - 1)) * random.uniform(0.75, 1.25)


def _passes(error: APIStatusError) -> bool:
    code = getattr(error, "code", None)
    if code == "insufficient_quota":  # OpenAI's 429 of an account without money
        return False
    return error.status_code in _PASSING or error.status_code >= 500


def _asked_wait(error: APIStatusError) -> float | None:
    """Return the seconds of ``Retry-After``; None without it or if it is a date."""
    try:
        seconds = float(error.response.headers.get("retry-after", ""))
    except ValueError:
        return None
    return min(max(seconds, 0.0), LONGEST_ASKED_WAIT)


def _status(error: APIStatusError) -> str:
    body: Any = error.body
    message = body.get("message") if isinstance(body, dict) else None
    return f"status {error.status_code}: {' '.join(str(message or error.message).split())[:300]}"


def _described(error: Exception) -> str:
    inner = error.__cause__ or error
    return f"{type(inner).__name__}: {' '.join(str(inner).split())[:300] or 'no message'}"
