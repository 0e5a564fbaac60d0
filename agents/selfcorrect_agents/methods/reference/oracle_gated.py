"""`OracleGated`: a language model whose right answers are kept by an oracle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from selfcorrect_agents.lm.agent import LanguageModelAgent
from selfcorrect_agents.lm.conversations import by_attempt, last_reply
from selfcorrect_agents.methods.reference.lookup import ShownProblems
from selfcorrect_env import AgentError, Conversation, Reply, Verifier, judge


class OracleGated(LanguageModelAgent):
    """Reference, an oracle: a right first answer is kept, a wrong one is corrected by the model.

    It is an oracle: it has access to the verdict on the first answer, which a method must not have.
    Its Δ is the gain of the model's corrections with a perfect choice of when to correct: an upper
    bound on the gain from choosing between the two attempts.

    Known: Δ^{c→i} = 0 exactly and Δ = Δ^{i→c}, that of the same model, seed and batches without
    the gate. A kept answer counts no tokens: the gate precedes the model.
    """

    instrument: ClassVar[bool] = True
    oracle: ClassVar[bool] = True
    _problems: ShownProblems | None = None
    _verifier: Verifier | None = None

    def attach(self, env: Any) -> None:
        """Use the problems and the verifier of an environment.

        Raises:
            AgentError: ``env`` lacks ``problems``, ``prompts`` or ``verifier``.
        """
        verifier = getattr(env, "verifier", None)
        if not isinstance(verifier, Verifier):
            raise AgentError(
                "The oracle 'oracle_gated' needs an environment with a `verifier`, such as "
                f"a SelfCorrectEnv; {type(env).__name__} has none."
            )
        self._problems, self._verifier = ShownProblems.of(env), verifier

    def act(self, conversations: Sequence[Conversation]) -> list[Reply]:
        """Sample first attempts; at later ones, correct the replies that are wrong.

        Raises:
            AgentError: it is not attached, or the environment does not have this problem.
        """
        return by_attempt(conversations, super().act, self._correct_wrong)

    def _correct_wrong(self, conversations: Sequence[Conversation]) -> list[Reply]:
        if self._problems is None or self._verifier is None:
            raise AgentError(
                "The oracle 'oracle_gated' has no environment: call attach(env) first."
            )
        problems = [self._problems.find(conversation) for conversation in conversations]
        latest = [last_reply(conversation) or "" for conversation in conversations]
        verdicts = judge(self._verifier, problems, latest)
        own = super().act(conversations)
        return [
            Reply(reply, tokens=0) if verdict.correct else corrected
            for reply, verdict, corrected in zip(latest, verdicts, own, strict=True)
        ]
