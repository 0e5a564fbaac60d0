"""`ServedModel`: a model behind an OpenAI-compatible server, as an agent."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from selfcorrect_agents.methods.served.completions import reply_of
from selfcorrect_agents.methods.served.config import ServedConfig
from selfcorrect_agents.methods.served.retries import RequestFailure, requested
from selfcorrect_env import AgentError, AsyncAgent, Conversation, NoReplyError, Reply
from selfcorrect_env.verifiers import without_thoughts

if TYPE_CHECKING:
    from openai import AsyncOpenAI


MOST_FAILURES = 20
"""Conversations in a row that get no reply before the evaluation stops."""
TOLD_AFTER = 3
"""Failed requests of one conversation, with nothing answered so far, before a warning says so."""


class ServedModel(AsyncAgent):
    """A model behind an OpenAI-compatible server: vLLM, SGLang, llama.cpp, Ollama, a provider.

    Conversations are answered independently of each other; `evaluate` asks for many at a time.

    Args:
        config: the model, the server, and how it samples.

    Raises:
        AgentError: the library ``openai`` is missing, or there is no key for a server that needs
            one.
    """

    Config: ClassVar[type[ServedConfig]] = ServedConfig
    own_model: ClassVar[bool] = True
    """In a comparison it plays its own model, not the base model."""

    def __init__(self, config: ServedConfig) -> None:
        self.config = config
        self.name = config.model
        self._answered = self._told = False
        self._failures = 0  # since the last reply
        self._client: AsyncOpenAI | None = None
        self._new_client()  # what is missing is said at once

    @classmethod
    def from_config(cls, config: ServedConfig) -> ServedModel:
        """Return the agent of a configuration."""
        return cls(config)

    @property
    def decoding(self) -> str:
        """How replies are drawn, for reports."""
        return str(self.config)

    def fingerprint(self) -> str:
        """Return the settings that replies depend on: a stored run is resumed with equal ones."""
        return json.dumps(self.config.measured(), sort_keys=True)

    async def __aenter__(self) -> ServedModel:
        """Open the client."""
        self._client = self._new_client()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close its connections."""
        if self._client is not None:
            await self._client.close()
        self._client = None

    async def answer(self, conversation: Conversation, sample: int = 0) -> Reply:
        """Ask the server for a reply, again if a request fails in passing.

        Raises:
            NoReplyError: the server refused this request, or it failed after every retry.
            AgentError: the same, and it must be expected of every request: none has been answered
                so far, and there is no such server, key or model; or `MOST_FAILURES` in a row
                have failed.
        """
        client = self._client
        if client is None:
            raise RuntimeError("A ServedModel answers inside of an `async with` block.")
        fields = {"messages": self.messages(conversation), **self.config.request(sample)}
        config, start = self.config, time.monotonic()

        async def request() -> Reply:
            response = await client.chat.completions.with_raw_response.create(**fields)
            return reply_of(response.text, config.input_price, config.output_price)

        reply, tries = await requested(
            request, retries=config.retries, timeout=config.timeout, again=self._warn
        )
        if isinstance(reply, RequestFailure):
            self._failures += 1
            if reply.general and not self._answered:
                raise AgentError(f"{self._where}: {reply.cause}")
            if self._failures >= MOST_FAILURES:
                raise AgentError(
                    f"{self._where}: {self._failures} conversations in a row got no "
                    f"reply, the last one: {reply.cause}"
                )
            raise NoReplyError(reply.cause)
        self._answered, self._failures = True, 0
        assert reply.generation is not None  # `reply_of` sets it
        seconds = round(time.monotonic() - start, 3)
        reply.generation = replace(reply.generation, requests=tries, seconds=seconds)
        return reply

    def messages(self, conversation: Conversation) -> list[dict[str, Any]]:
        """Return a conversation as the server gets it.

        The system prompt comes first. Thoughts of earlier replies are left out, or kept: those in
        the text as they are, those that the server returned apart as ``reasoning_content``. A lone
        surrogate, which a server may have written as an escape and no request can carry, becomes
        U+FFFD.
        """
        template = self.config.template
        messages: list[dict[str, Any]] = []
        if template.system and not (conversation and conversation[0]["role"] == "system"):
            messages.append({"role": "system", "content": template.system})
        for message in conversation:
            content, thoughts = message["content"], {}
            if message["role"] == "assistant":
                generation = content.generation if isinstance(content, Reply) else None
                if template.thoughts == "drop":
                    content = without_thoughts(content).strip()
                elif generation is not None and generation.reasoning:
                    thoughts = {"reasoning_content": generation.reasoning}
            messages.append({"role": message["role"], "content": str(content), **thoughts})
        return [{name: _as_utf8(text) for name, text in fields.items()} for fields in messages]

    @property
    def _where(self) -> str:
        server = self.config.base_url or os.environ.get("OPENAI_BASE_URL", "") or "OpenAI"
        return f"{self.config.model!r} at {server}"

    def _warn(self, tries: int, cause: str) -> None:
        """Say once on stderr that a server has answered nothing so far: retries take minutes."""
        if tries < TOLD_AFTER or self._answered or self._told:
            return
        self._told = True
        left = self.config.retries + 1 - tries
        print(
            f"selfcorrect: warning: {self._where} has answered nothing so far ({cause}); up to "
            f"{left} more requests are made, with longer and longer waits (retries).",
            file=sys.stderr,
        )

    def _new_client(self) -> AsyncOpenAI:
        config = self.config
        try:
            from openai import AsyncOpenAI
        except ImportError as error:
            raise AgentError(
                f'The agent openai needs pip install "selfcorrect-env[openai]" ({error}).'
            ) from error
        key = os.environ.get(config.api_key_env)
        if not key and not config.base_url and not os.environ.get("OPENAI_BASE_URL"):
            raise AgentError(
                f"OpenAI's server needs a key, and {config.api_key_env} is not set. Set it, or "
                "give the address of another server with base_url."
            )
        return AsyncOpenAI(
            base_url=config.base_url or None,
            api_key=key or "none",
            max_retries=0,  # `requested` does
            timeout=config.timeout,
        )


def _as_utf8(text: str) -> str:
    """Return a text with U+FFFD for each lone surrogate."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
