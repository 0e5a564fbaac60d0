"""`ServedConfig`: which model on which server, how it samples, and how requests are made."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import tyro

from selfcorrect_agents.lm.template_config import TemplateConfig

_DATE = TemplateConfig().date


@dataclass(frozen=True, kw_only=True)
class ServedConfig:
    """A served model, how it samples, and how requests are made."""

    remote: ClassVar[bool] = True
    """The model is no file of this machine."""
    NOT_MEASURED: ClassVar[tuple[str, ...]] = (
        *("api_key_env", "timeout", "retries", "input_price", "output_price"),
    )
    """Fields that may differ when an evaluation is resumed: they change no reply."""

    model: str
    """The model's name on the server."""
    base_url: str = ""
    """The server's address, such as http://localhost:8000/v1; by default that of the environment
    variable OPENAI_BASE_URL, else OpenAI's."""
    api_key_env: str = "OPENAI_API_KEY"
    """The environment variable that holds the key; a server with an address needs none."""
    template: TemplateConfig = field(default_factory=TemplateConfig)
    """What the server's chat template is given: the system prompt, arguments, and whether a later
    turn reads the thoughts of earlier replies. The date is the server's."""
    max_new_tokens: int | None = None
    """Token cap of one reply, reasoning included, the same in every turn, ≥ 1; by default the
    server's."""
    token_cap_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """The name that the server has for the cap: OpenAI's reasoning models take the second."""
    temperature: float | None = 0.0
    """0 takes the most likely token, 1 samples from the model; None leaves it to the server."""
    top_p: float = 1.0
    """Nucleus sampling, in (0, 1]. 1 is sent as well where replies are sampled (a server may have
    another default), unless the temperature is left to the server."""
    seed: int | None = None
    """Seed of sampling, if the server takes one; sample i of a problem gets seed + i."""
    stop: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A text that ends a reply. Repeat it for more."""
    reasoning_effort: str = ""
    """How much the model reasons: low, medium, high, if the server takes it."""
    extra_body: str = ""
    """Further fields of the request, as a JSON object: {"top_k": 20}."""
    timeout: float = 600.0
    """Seconds until a request that is not answered counts as lost, > 0."""
    retries: int = 8
    """How often a request is made again after 429, a server's error, a time-out or a cut
    connection, ≥ 0. The waits double from half a second up to a minute."""
    input_price: float | None = None
    """Price of a million tokens of the conversation, for the cost in the report."""
    output_price: float | None = None
    """Price of a million tokens of replies."""

    def __post_init__(self) -> None:
        if not self.model.strip():
            raise ValueError("model must be the name of a model on the server.")
        for name, least in (("max_new_tokens", 1), ("retries", 0), ("temperature", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} must be {least} or above, got {value}.")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be in (0, 1], got {self.top_p}.")
        if not self.timeout > 0:
            raise ValueError(f"timeout must be above 0, got {self.timeout}.")
        if (self.input_price is None) != (self.output_price is None):
            raise ValueError("input_price and output_price need each other for a cost.")
        if self.template.date != _DATE:
            raise ValueError("template.date has no use here: a served model has the server's date.")
        self.body()

    def body(self) -> dict[str, Any]:
        """Return the fields of a request that the client has no name for.

        Arguments of the chat template are ``chat_template_kwargs``, as vLLM, SGLang and llama.cpp
        take them.

        Raises:
            ValueError: ``extra_body`` is no JSON object.
        """
        try:
            body = json.loads(self.extra_body or "{}")
        except ValueError as error:
            raise ValueError(f"extra_body is not JSON ({error}): {self.extra_body!r:.80}") from None
        if not isinstance(body, dict):
            raise ValueError(f"extra_body must be a JSON object, got {self.extra_body!r:.80}.")
        arguments = self.template.arguments()
        return {**({"chat_template_kwargs": arguments} if arguments else {}), **body}

    def request(self, sample: int) -> dict[str, Any]:
        """Return the fields of a request beside its messages, for one sample of a problem."""
        given = {
            "model": self.model,
            "temperature": self.temperature,
            "top_p": self.top_p if self.top_p < 1 or self.temperature else None,
            "seed": None if self.seed is None else self.seed + sample,
            "stop": list(self.stop) or None,
            "reasoning_effort": self.reasoning_effort or None,
            self.token_cap_name: self.max_new_tokens,
            "extra_body": self.body() or None,
        }
        return {name: value for name, value in given.items() if value is not None}

    def measured(self) -> dict[str, Any]:
        """Return the fields that replies depend on."""
        return {k: v for k, v in asdict(self).items() if k not in self.NOT_MEASURED}

    def _left_to_the_server(self) -> str:
        """Name what changes the distribution and is neither sent by name nor in `extra_body`."""
        sampled = {} if self.temperature == 0 else {"top-k": "top_k", "min-p": "min_p"}
        names = {**sampled, "penalties": "penalty"}
        sent = " ".join(self.body())
        left = [words for words, field in names.items() if field not in sent]
        if not left:
            return ""
        return "the server's " + " and ".join(filter(None, [", ".join(left[:-1]), left[-1]]))

    def __str__(self) -> str:
        """Return how replies are drawn, for reports."""
        cap = self.max_new_tokens
        parts = [
            _temperature(self.temperature),
            f"top-p = {self.top_p:g}" if self.top_p < 1 else "",
            f"at most {cap} tokens" if cap else "the server's token cap",
            f"reasoning effort {self.reasoning_effort}" if self.reasoning_effort else "",
            str(self.template),
            self._left_to_the_server(),
        ]
        return ", ".join(filter(None, parts))


def _temperature(temperature: float | None) -> str:
    if temperature is None:
        return "the server's temperature"
    return "greedy" if temperature == 0 else f"T = {temperature:g}"
