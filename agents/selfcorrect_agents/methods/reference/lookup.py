"""`ShownProblems`: finds the problem of a conversation by the messages that show it."""

from __future__ import annotations

from typing import Any

from selfcorrect_env import AgentError, Conversation, Problem, ProblemSet, Prompts

Key = tuple[tuple[str, str], ...]


class ShownProblems:
    """The problems of a set, found by the first messages of a conversation.

    Args:
        problems: the problems.
        prompts: the prompts that show them.
    """

    def __init__(self, problems: ProblemSet, prompts: Prompts) -> None:
        self._name = problems.name
        self._problems: dict[Key, list[Problem]] = {}
        for problem in problems:
            self._problems.setdefault(_key(prompts.first(problem)), []).append(problem)
        self._longest = max(map(len, self._problems))

    @classmethod
    def of(cls, env: Any) -> ShownProblems:
        """Read the problems of an environment.

        Args:
            env: a `SelfCorrectEnv`, a `SelfCorrectVectorEnv`, or another environment with
                ``problems`` and ``prompts``.

        Raises:
            AgentError: ``env`` has no such attributes.
        """
        problems, prompts = getattr(env, "problems", None), getattr(env, "prompts", None)
        if not (isinstance(problems, ProblemSet) and isinstance(prompts, Prompts)):
            raise AgentError(
                f"An oracle needs an environment with `problems` (a ProblemSet) and `prompts` "
                f"(a Prompts), such as a SelfCorrectEnv; {type(env).__name__} lacks them."
            )
        return cls(problems, prompts)

    def find(self, conversation: Conversation) -> Problem:
        """Return the problem of a conversation.

        Raises:
            AgentError: there is no such problem, or several with different references.
        """
        shown = _key(conversation[: self._longest])
        for length in range(len(shown), 0, -1):  # a repair starts with three messages
            found = self._problems.get(shown[:length])
            if found is None:
                continue
            if len({problem.reference for problem in found}) > 1:
                ids = ", ".join(problem.id for problem in found[:3])
                raise AgentError(
                    f"Problems {ids} of {self._name!r} have the same messages and different "
                    "references, so an oracle cannot distinguish them."
                )
            return found[0]
        text = shown[0][1] if shown else ""
        raise AgentError(
            f"{self._name!r} has no problem that is shown as {text!r:.80}. Was the oracle attached "
            "to another environment, or does a wrapper change the messages?"
        )


def _key(conversation: Conversation) -> Key:
    return tuple((message["role"], message["content"]) for message in conversation)
