"""`TemplateConfig`: what a chat template is given beside the messages."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, get_args

import tyro

Thoughts: TypeAlias = Literal["keep", "drop"]

PLAIN_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}"
    "Assistant: {{ message['content'] | trim }}{{ eos_token }}"
    "{% else %}{{ message['role'] | capitalize }}: {{ message['content'] }}{% endif %}"
    "{{ '\n\n' }}{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""The template of a tokenizer that has none, as those of base models: roles in plain words. Before
it comes the token that the tokenizer itself begins texts with, if there is one."""

PLAIN_NEXT_TURN = "\n\nUser:"
"""What `PLAIN_TEMPLATE` writes before the next message of the user. It ends a reply, after which a
base model goes on with a question and an answer of its own."""


@dataclass(frozen=True, kw_only=True)
class TemplateConfig:
    """What the chat template is given beside the messages."""

    system: str = ""
    """A system prompt before every conversation that has none; "" leaves the template's default."""
    args: Annotated[
        tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME=VALUE")
    ] = ()
    """An argument of the template, such as enable_thinking=false: the value is JSON, or Python's
    True, False or None in any case, or else text. Repeat it for more."""
    date: str = "2024-07-26"
    """The date, YYYY-MM-DD, that a template that prints today's date is given, so that a run does
    not depend on the day."""

    thoughts: Thoughts = "keep"
    """Whether a later turn reads the thoughts (<think>…</think> and the like) of earlier replies:
    keep reads what was sampled; drop leaves them out, as most served models do. Training keeps
    them: it scores an episode as one sequence."""

    def __post_init__(self) -> None:
        self.arguments()
        if self.thoughts not in get_args(Thoughts):
            raise ValueError(f"template.thoughts must be keep or drop, got {self.thoughts!r}.")
        try:
            datetime.date.fromisoformat(self.date)
        except ValueError:
            raise ValueError(f"template.date must be YYYY-MM-DD, got {self.date!r}.") from None

    def arguments(self) -> dict[str, Any]:
        """Return `args` by name.

        Raises:
            ValueError: one of them is not NAME=VALUE, or names what is no argument of a template.
        """
        found: dict[str, Any] = {}
        for argument in self.args:
            name, equals, value = argument.partition("=")
            if not equals or not name.isidentifier():
                raise ValueError(
                    f"template.args must be NAME=VALUE, such as enable_thinking=false; "
                    f"got {argument!r}."
                )
            if name in _RESERVED:
                raise ValueError(
                    f"template.args can't set {name!r}: it is no argument of a chat template, but "
                    "of what renders it."
                )
            found[name] = _value(value)
        return found

    def dated(self, template: str) -> str:
        """Return a template in which ``strftime_now``, today's date, gives `date`."""
        if "strftime_now" not in template:
            return template
        date = datetime.datetime.fromisoformat(self.date)
        written = {f"%{it}": date.strftime(f"%{it}") for it in _DIRECTIVES}
        filled = "".join(f" | replace({key!r}, {text!r})" for key, text in written.items())
        macro = f"{{%- macro strftime_now(form) -%}}{{{{ form{filled} }}}}{{%- endmacro -%}}"
        return macro + template

    def __str__(self) -> str:
        """Return what differs from the template's defaults; "" if nothing does."""
        system = [f"system prompt {self.system!r:.60}"] if self.system else []
        thoughts = ["thoughts dropped"] if self.thoughts == "drop" else []
        return ", ".join([*system, *self.args, *thoughts])


def _value(text: str) -> Any:
    """Return the value of a text: a word such as False is no text, which would be true."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return json.loads(text)
    except ValueError:
        return text


_WORDS = {"true": True, "false": False, "none": None, "null": None}
_DIRECTIVES = (*"aAbBcCdDeFfgGhHIjmMpRrSTuUVwWxXyYzZ", *(f"-{it}" for it in "deHIjmMSUVWy"))
"""Of ``strftime``: those of C and of Python, and those without leading zeros."""
_RESERVED = frozenset(
    {
        # what templates are given as the conversation
        *("messages", "conversation", "conversations", "strftime_now", "raise_exception"),
        # parameters of transformers' apply_chat_template
        *("tools", "documents", "chat_template", "add_generation_prompt", "continue_final_message"),
        *("tokenize", "sanitize_control_tokens", "padding", "truncation", "max_length"),
        *("return_tensors", "return_dict", "return_assistant_tokens_mask", "tokenizer_kwargs"),
    }
)
