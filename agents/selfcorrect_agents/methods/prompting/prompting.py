"""`Prompting`: self-correction by prompting, without training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from selfcorrect_agents.lm.agent import LanguageModelAgent, PlayConfig
from selfcorrect_agents.lm.conversations import by_attempt, requested_answers
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.token_caps import TOKEN_CAP
from selfcorrect_agents.methods.prompting.texts import FEEDBACK, REWRITE, ZERO_SHOT
from selfcorrect_env import AgentError, Conversation, Message, Reply

Style: TypeAlias = Literal["self-refine", "zero-shot"]
PromptedTask: TypeAlias = Literal["auto", "math", "code", "plain"]


@dataclass(frozen=True, kw_only=True)
class PromptingConfig(PlayConfig):
    """The model, and the requests for a correction."""

    style: Style = "self-refine"
    """self-refine: a critique, then a rewrite. zero-shot: only the paper's instruction."""
    task: PromptedTask = "auto"
    """The task whose texts are used. auto: mathematics or code if the environment's instruction is
    a known one for it; otherwise "plain", for which the paper has no zero-shot instruction."""
    feedback: str = ""
    """The request for a critique, instead of the task's (self-refine)."""
    rewrite: str = ""
    """The request for a rewrite after the critique, instead of the task's (self-refine)."""
    instruction: str = ""
    """The correction instruction, instead of the paper's (zero-shot)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_texts(self.style, self.feedback, self.rewrite, self.instruction)


class Prompting(LanguageModelAgent):
    """No training: the model criticises its answer, then rewrites it (paper, tables 2 and 3).

    First attempts are the base model's. At later attempts the environment's instruction is
    replaced:

    - ``"self-refine"`` (Madaan et al., arXiv 2303.17651): by a request for a critique of the
      answer, generated as a separate reply, and then by a request for a rewrite. The environment
      receives only the rewrite.
    - ``"zero-shot"``: by the paper's correction instruction.

    These conversations contain no verdict and no reference. Generation continues token by token
    from the first attempt's context if the batch does.

    Args:
        policy: the model with its tokenizer.
        max_new_tokens: token cap per generation, for an answer or a critique.
        temperature: 0 takes the most likely token, 1 samples from the model.
        seed: seed of sampling.
        style: see `PromptingConfig`, also for the other arguments.
        task: the task whose texts are used.
        feedback: replaces the request for a critique.
        rewrite: replaces the request for a rewrite.
        instruction: replaces the zero-shot instruction.

    Raises:
        ValueError: a text was given that the style does not use.
    """

    Config: ClassVar[type[PromptingConfig]] = PromptingConfig

    def __init__(
        self,
        policy: Policy,
        *,
        max_new_tokens: int = TOKEN_CAP,
        temperature: float = 0.0,
        seed: int = 0,
        style: Style = "self-refine",
        task: PromptedTask = "auto",
        feedback: str = "",
        rewrite: str = "",
        instruction: str = "",
    ) -> None:
        _check_texts(style, feedback, rewrite, instruction)
        super().__init__(policy, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)
        self.style = style
        self.task = task
        self.feedback = feedback
        self.rewrite = rewrite
        self.instruction = instruction
        self.critiques: list[Reply] = []
        """The critiques of the last call, in the order of its conversations with a reply."""

    @property
    def decoding(self) -> str:
        """How replies are sampled, for reports."""
        return f"{super().decoding} for each generation, {self.style}"

    def act(self, conversations: Sequence[Conversation]) -> list[Reply]:
        """Answer, or correct the latest answer, in one batch.

        Returns:
            One reply for each conversation. `Reply.tokens` of a rewrite counts the critique's
            tokens as well. `Reply.truncated` tells whether the rewrite was cut off.

        Raises:
            AgentError: the style is zero-shot, and the paper has no instruction for the task.
        """
        self.critiques = []
        correct = self._refine if self.style == "self-refine" else self._zero_shot
        return by_attempt(conversations, super().act, correct)

    def _zero_shot(self, conversations: Sequence[Conversation]) -> list[Reply]:
        return super().act([_with_request(c, self._instruction(c)) for c in conversations])

    def _refine(self, conversations: Sequence[Conversation]) -> list[Reply]:
        asked = [
            _with_request(c, self.feedback or FEEDBACK[self._task(c, FEEDBACK)])
            for c in conversations
        ]
        self.critiques = super().act(asked)
        told = [
            (
                *asking,
                Message(role="assistant", content=str(critique)),
                Message(role="user", content=self.rewrite or REWRITE[self._task(c, REWRITE)]),
            )
            for c, asking, critique in zip(conversations, asked, self.critiques, strict=True)
        ]
        rewritten = super().act(told)
        return [
            Reply(reply, tokens=_sum(critique, reply), truncated=reply.truncated)
            for critique, reply in zip(self.critiques, rewritten, strict=True)
        ]

    def _instruction(self, conversation: Conversation) -> str:
        if self.instruction:
            return self.instruction
        task = self._task(conversation, ZERO_SHOT)
        if task not in ZERO_SHOT:
            raise AgentError(
                "The paper has correction instructions for mathematics and code only, and this "
                f"environment's is {conversation[-1]['content']!r:.80}. Set task='math', "
                "task='code' or instruction='your own text'."
            )
        return ZERO_SHOT[task]

    def _task(self, conversation: Conversation, known: dict[str, str]) -> str:
        if self.task != "auto":
            return self.task
        task = requested_answers(conversation)
        return task if task in known else "plain"


def _with_request(conversation: Conversation, text: str) -> Conversation:
    """Return the conversation with ``text`` as the last user message."""
    return (*conversation[:-1], Message(role="user", content=text))


def _sum(*replies: Reply) -> int:
    return sum(reply.tokens or 0 for reply in replies)


def _check_texts(style: Style, feedback: str, rewrite: str, instruction: str) -> None:
    given = {"feedback": feedback, "rewrite": rewrite, "instruction": instruction}
    useless = ("instruction",) if style == "self-refine" else ("feedback", "rewrite")
    for name in useless:
        if given[name]:
            raise ValueError(f"style={style!r} does not use {name}; omit it.")
