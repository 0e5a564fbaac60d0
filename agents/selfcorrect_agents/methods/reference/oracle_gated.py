"""`OracleGated`: a language model whose right answers are kept, because an oracle says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from selfcorrect_agents.lm.agent import LanguageModelAgent
from selfcorrect_agents.lm.conversations import by_attempt, last_reply
from selfcorrect_agents.methods.reference.lookup import ShownProblems
from selfcorrect_env import AgentError, Conversation, Reply, Verifier, judge


class OracleGated(LanguageModelAgent):
    """Reference, an oracle: a right first answer is kept, a wrong one is corrected by the model.

    It is an oracle: it is shown the verdict on the first answer, as no model may be. So its Δ is
    what the model's corrections could gain if it knew when to correct: an upper bound on what
    choosing between the two attempts can bring.

    Known: Δ^{c→i} = 0 exactly and Δ = Δ^{i→c}, that of the same model, seed and batches without
    the gate. A kept answer counts no tokens: the gate comes before the model is asked.
    """

    oracle: ClassVar[bool] = True
    _problems: ShownProblems | None = None
    _verifier: Verifier | None = None

    def attach(self, env: Any) -> None:
        """Take over the problems and the verifier of an environment.

        Raises:
            AgentError: ``env`` lacks ``problems``, ``prompts`` or ``verifier``.
        """
        verifier = getattr(env, "verifier", None)
        if not isinstance(verifier, Verifier):
            raise AgentError(
                "The oracle 'oracle_gated' needs an environment with a `verifier`, as a "
                f"SelfCorrectEnv has it; {type(env).__name__} lacks it."
            )
        self._problems, self._verifier = ShownProblems.of(env), verifier

    def act(self, conversations: Sequence[Conversation]) -> list[Reply]:
        """Sample first attempts; later ones are the model's where the latest reply is wrong.

        Raises:
            AgentError: it is attached to no environment, or to one without this problem.
        """
        return by_attempt(conversations, super().act, self._gated)

    def _gated(self, conversations: Sequence[Conversation]) -> list[Reply]:
        if self._problems is None or self._verifier is None:
            raise AgentError(
                "The oracle 'oracle_gated' knows no verifier yet: call attach(env) first."
            )
        problems = [self._problems.find(conversation) for conversation in conversations]
        latest = [last_reply(conversation) or "" for conversation in conversations]
        verdicts = judge(self._verifier, problems, latest)
        own = super().act(conversations)
        return [
            Reply(reply, tokens=0) if verdict.correct else corrected
            for reply, verdict, corrected in zip(latest, verdicts, own, strict=True)
        ]
