"""Gymnasium spaces for the input and output of language models: any conversation, any text.

``gymnasium.spaces.Text`` has a fixed alphabet and a maximum length; the text of a model has
neither. These two spaces accept every string, in constant time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import numpy as np
from gymnasium import Space
from gymnasium.vector.utils import create_shared_memory
from numpy.typing import NDArray

from selfcorrect_env.types import Conversation, Message

_SAMPLE_ALPHABET = tuple("abcdefghijklmnopqrstuvwxyz 0123456789+-*/=().,$\\{}^_\n∞≤π→é數🙂")
_SAMPLE_LENGTH = 32
_ROLES = ("system", "user", "assistant")


class ReplySpace(Space[str]):
    """Every ``str``: empty, long, any Unicode, control characters and lone surrogates too.

    `sample` draws a short text of letters, digits, mathematical signs and a few symbols that are
    not ASCII.

    Args:
        seed: of `sample`.
    """

    def __init__(self, seed: int | np.random.Generator | None = None) -> None:
        super().__init__(shape=None, dtype=None, seed=seed)

    @property
    def is_np_flattenable(self) -> bool:
        """False: text has no fixed length. Token-level wrappers give numeric spaces."""
        return False

    def sample(self, mask: None = None, probability: None = None) -> str:
        """Draw a text of up to 32 characters; neither mask nor probability is supported."""
        _refuse_masks(self, mask, probability)
        length = int(self.np_random.integers(_SAMPLE_LENGTH + 1))
        chosen = self.np_random.integers(len(_SAMPLE_ALPHABET), size=length)
        return "".join(_SAMPLE_ALPHABET[i] for i in chosen)

    def contains(self, x: Any) -> bool:
        """Return whether ``x`` is a str."""
        return isinstance(x, str)

    def to_jsonable(self, sample_n: Iterable[str]) -> list[str]:
        """Return the texts as a list of plain str."""
        return [str(text) for text in sample_n]

    def from_jsonable(self, sample_n: Sequence[Any]) -> list[str]:
        """Return the texts unchanged."""
        return [str(text) for text in sample_n]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ReplySpace)

    def __hash__(self) -> int:
        return hash(ReplySpace)

    def __repr__(self) -> str:
        return "ReplySpace()"


class ConversationSpace(Space[Conversation]):
    """Every `Conversation`: a tuple of ``{"role": …, "content": …}`` messages.

    `sample` draws one to three messages whose contents come from `ReplySpace`.

    Args:
        seed: of `sample`.
    """

    def __init__(self, seed: int | np.random.Generator | None = None) -> None:
        super().__init__(shape=None, dtype=None, seed=seed)

    @property
    def is_np_flattenable(self) -> bool:
        """False: conversations have no fixed length."""
        return False

    def sample(self, mask: None = None, probability: None = None) -> Conversation:
        """Draw a conversation; neither mask nor probability is supported."""
        _refuse_masks(self, mask, probability)
        texts = ReplySpace(self.np_random)
        count = int(self.np_random.integers(1, 4))
        return tuple(
            Message(role=("user", "assistant")[i % 2], content=texts.sample()) for i in range(count)
        )

    def contains(self, x: Any) -> bool:
        """Return whether ``x`` is a tuple of messages with a known role and text as content."""
        return isinstance(x, tuple) and all(
            isinstance(message, dict)
            and message.keys() == {"role", "content"}
            and message["role"] in _ROLES
            and isinstance(message["content"], str)
            for message in x
        )

    def to_jsonable(self, sample_n: Iterable[Conversation]) -> list[list[dict[str, str]]]:
        """Return the conversations as lists of dicts."""
        return [
            [{"role": m["role"], "content": str(m["content"])} for m in conversation]
            for conversation in sample_n
        ]

    def from_jsonable(self, sample_n: Sequence[Any]) -> list[Conversation]:
        """Return the conversations as tuples of messages."""
        return [
            tuple(Message(role=m["role"], content=m["content"]) for m in conversation)
            for conversation in sample_n
        ]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConversationSpace)

    def __hash__(self) -> int:
        return hash(ConversationSpace)

    def __repr__(self) -> str:
        return "ConversationSpace()"


def _refuse_masks(space: Space[Any], mask: object, probability: object) -> None:
    if mask is not None or probability is not None:
        raise ValueError(f"{space} samples without a mask or probabilities; pass neither.")


@create_shared_memory.register(ReplySpace)
@create_shared_memory.register(ConversationSpace)
def _no_shared_memory(space: Space[Any], n: int = 1, ctx: Any = None) -> NoReturn:
    raise ValueError(
        f"{space} holds text of any length, which fixed shared memory can't. Use the environment's "
        "own vectorised form, gym.make_vec(id, num_envs), or pass shared_memory=False: "
        'gym.make_vec(id, num_envs, vectorization_mode="async", '
        'vector_kwargs={"shared_memory": False}).'
    )


def object_array(values: Sequence[Any]) -> NDArray[np.object_]:
    """Return a 1-D object array of any ``values`` (numpy would unpack tuples)."""
    return np.fromiter(values, dtype=object, count=len(values))
