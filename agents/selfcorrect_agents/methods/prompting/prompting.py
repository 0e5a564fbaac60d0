"""`Prompting`: a language model that corrects itself because it is asked to, without training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from selfcorrect_agents.lm.agent import LanguageModelAgent, PlayConfig
from selfcorrect_agents.lm.conversations import by_attempt, task_of
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.prompting.texts import FEEDBACK, REWRITE, ZERO_SHOT
from selfcorrect_env import AgentError, Conversation, Message, Reply

Style: TypeAlias = Literal["self-refine", "zero-shot"]
PromptedTask: TypeAlias = Literal["auto", "math", "code", "plain"]


@dataclass(frozen=True, kw_only=True)
class PromptingConfig(PlayConfig):
    """Which model plays, and what it is asked when it is to correct itself."""

    style: Style = "self-refine"
    """self-refine: a critique first, then a rewrite. zero-shot: the paper's instruction alone."""
    task: PromptedTask = "auto"
    """Whose texts are used. auto: those of the environment's own instruction, where it is a known
    one for mathematics or code; else "plain", for which the paper has no zero-shot instruction."""
    feedback: str = ""
    """The request for a critique, in place of the task's (self-refine)."""
    rewrite: str = ""
    """The request for a rewrite after the critique, in place of the task's (self-refine)."""
    instruction: str = ""
    """The correction instruction, in place of the paper's (zero-shot)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_texts(self.style, self.feedback, self.rewrite, self.instruction)


class Prompting(LanguageModelAgent):
    """No training: the model criticises its answer, then rewrites it (paper, tables 2 and 3).

    First attempts are the base model's. At a later attempt the environment's instruction is
    not shown to the model; in its place

    - ``"self-refine"`` (Madaan et al., arXiv 2303.17651): the model is asked for a critique of
      its answer, which is a reply of its own, and then for a rewrite. The environment sees the
      rewrite only.
    - ``"zero-shot"``: it reads the paper's correction instruction.

    Nothing else is in these conversations: no verdict, no reference. All goes on token by token
    from the first attempt's context where the batch does.

    Args:
        policy: the model with its tokenizer.
        max_new_tokens: token cap of one generation: of an answer, and of a critique.
        temperature: 0 takes the most likely token, 1 samples from the model.
        seed: of sampling.
        style: as in `PromptingConfig`, like the rest.
        task: whose texts are used.
        feedback: replaces the request for a critique.
        rewrite: replaces the request for a rewrite.
        instruction: replaces the zero-shot instruction.

    Raises:
        ValueError: a text was given that the style has no use for.
    """

    Config: ClassVar[type[PromptingConfig]] = PromptingConfig

    def __init__(
        self,
        policy: Policy,
        *,
        max_new_tokens: int = 512,
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
        """How replies are drawn, for reports."""
        return f"{super().decoding} for each generation, {self.style}"

    def act(self, conversations: Sequence[Conversation]) -> list[Reply]:
        """Answer, or correct the latest answer, in one batch.

        Returns:
            One reply for each conversation. `Reply.tokens` of a rewrite counts the critique's
            tokens too: what was spent. `Reply.truncated` says whether the rewrite was cut off.

        Raises:
            AgentError: zero-shot, and the task is none that the paper has an instruction for.
        """
        self.critiques = []
        correct = self._refine if self.style == "self-refine" else self._again
        return by_attempt(conversations, super().act, correct)

    def _again(self, conversations: Sequence[Conversation]) -> list[Reply]:
        return super().act([_asking(c, self._instruction(c)) for c in conversations])

    def _refine(self, conversations: Sequence[Conversation]) -> list[Reply]:
        asked = [
            _asking(c, self.feedback or FEEDBACK[self._task(c, FEEDBACK)]) for c in conversations
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
                "The paper has correction instructions for mathematics and for code, and this "
                f"environment asks {conversation[-1]['content']!r:.80}. Give task='math', "
                "task='code' or an instruction of your own."
            )
        return ZERO_SHOT[task]

    def _task(self, conversation: Conversation, known: dict[str, str]) -> str:
        if self.task != "auto":
            return self.task
        task = task_of(conversation)
        return task if task in known else "plain"


def _asking(conversation: Conversation, text: str) -> Conversation:
    """Return the conversation with another last message of the user's."""
    return (*conversation[:-1], Message(role="user", content=text))


def _sum(*replies: Reply) -> int:
    return sum(reply.tokens or 0 for reply in replies)


def _check_texts(style: Style, feedback: str, rewrite: str, instruction: str) -> None:
    given = {"feedback": feedback, "rewrite": rewrite, "instruction": instruction}
    useless = ("instruction",) if style == "self-refine" else ("feedback", "rewrite")
    for name in useless:
        if given[name]:
            raise ValueError(f"style={style!r} has no use for {name}=…; leave it out.")
