"""`Gold`: an oracle that answers with the reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from selfcorrect_agents.methods.reference.lookup import ShownProblems
from selfcorrect_env import AgentError, Conversation, Problem, Reply
from selfcorrect_env.verifiers import PLAIN, AnswerFormat, answer_format

Writer = Callable[[Problem], str]


class Gold:
    """Reference, an oracle: every attempt gives the reference answer.

    It has access to the references.

    Known: both accuracies 100%, Δ = 0. A lower accuracy means that the verifier rejects a
    reference, or cannot judge it.

    Args:
        env: the environment with the references; by default the one that it is attached to,
            which `selfcorrect_env.evaluate` and ``play`` do.
        write: writes a right reply to a problem. By default the reference as it is, or in the
            form that the environment's verifier reads
            (`selfcorrect_env.verifiers.AnswerFormat`).
    """

    instrument: ClassVar[bool] = True

    name = "gold"
    decoding = "the reference"
    oracle: ClassVar[bool] = True

    def __init__(self, env: Any = None, *, write: Writer | None = None) -> None:
        self.write = write
        self._problems: ShownProblems | None = None
        self._format: AnswerFormat = PLAIN
        if env is not None:
            self.attach(env)

    def attach(self, env: Any) -> None:
        """Read the references of an environment.

        Raises:
            AgentError: ``env`` lacks ``problems`` or ``prompts``.
        """
        self._problems = ShownProblems.of(env)
        verifier = getattr(env, "verifier", None)
        self._format = PLAIN if verifier is None else answer_format(verifier)

    def act(self, conversations: Sequence[Conversation]) -> list[Reply]:
        """Answer each with its reference.

        Raises:
            AgentError: it is not attached, or the environment does not have this problem.
        """
        if self._problems is None:
            raise AgentError("The oracle 'gold' has no environment: call attach(env) first.")
        problems = [self._problems.find(conversation) for conversation in conversations]
        return [Reply(self._reply_to(problem), tokens=0, truncated=False) for problem in problems]

    def _reply_to(self, problem: Problem) -> str:
        if self.write is not None:
            return self.write(problem)
        return self._format.examples(problem.reference)[0]
