"""Episodes with a verification between the attempts: answer, verification, final answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper

from selfcorrect_env import (
    Attempt,
    Conversation,
    Episode,
    Message,
    ProblemSet,
    Prompts,
    Reason,
    Reply,
    TrainingEnv,
    Verdict,
    Verifier,
)
from selfcorrect_env.verifiers import without_thoughts

_CLAUSE_END = re.compile(
    r"[.!?;:,\n]|\b(?:and|so|but|thus|hence|therefore|because|since)\s+(?=(?:the|this|it|my)\b)",
    re.IGNORECASE,
)
_DENIED = re.compile(r"(?:\b(?:not|never|cannot)|n['’]t)\W+(?:\w+\W+)?\Z", re.IGNORECASE)
_UNSETTLED = re.compile(
    r"\b(?:no|not|never|cannot|nothing|none|neither|nor|or|whether|if|without|hardly|almost|nearly|"
    r"partially|partly|mostly)\b|n['’]t\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What the model is asked between its attempts, and how its judgement is read."""

    verify: str = (
        "Check the answer above step by step. If you find a mistake, say where it is. End with "
        '"The answer is correct." or "The answer is wrong."'
    )
    """The request for a verification, after the first answer."""
    revise: str = (
        "You found the answer above wrong. Answer again, correctly and in the form that was asked "
        "for."
    )
    """The request for a revision, after a verification that found the answer wrong."""
    right: str = "correct"
    """The last word of a verification that finds the answer right; see `judgement`."""
    wrong: str = "wrong"
    """The last word of one that finds it wrong."""

    def judgement(self, text: str) -> bool | None:
        """Return whether a verification finds the answer right; None if it does not say.

        Its last word says it, by the clause that it ends: "not correct" and "incorrect" find the
        answer wrong. Another clause with a negation, an alternative, a condition or a part
        ("nothing is wrong", "correct or wrong", "partly correct"), and a question, say nothing.
        Thoughts are not read.
        """
        text = without_thoughts(text)
        right, wrong = re.escape(self.right), re.escape(self.wrong)
        found = re.search(rf"(?<!\w)((?:in)?{right}|{wrong})(\W*)\Z", text, re.IGNORECASE)
        if found is None or "?" in found[2]:
            return None
        clause = _CLAUSE_END.split(text[: found.start()])[-1]
        says = found[1].casefold() == self.right.casefold()
        denied = _DENIED.search(clause)
        if _UNSETTLED.search(clause[: denied.start()] if denied else clause):
            return None
        if denied:
            return False if says else None
        return says

    def asked(self, conversation: Conversation) -> Conversation:
        """Return a conversation whose last message is the request for a verification."""
        return (*conversation[:-1], Message(role="user", content=self.verify))

    def told(self, conversation: Conversation, verification: str) -> Conversation:
        """Return `asked`'s conversation, then the verification and the request for a revision."""
        return (
            *conversation,
            Message(role="assistant", content=str(verification)),
            Message(role="user", content=self.revise),
        )

    def verdict(self, text: str, first: Verdict) -> Verdict:
        """Score a verification of an answer with the verdict ``first``: 1 if it is right."""
        if not first.judged:
            return Verdict(0.0, Reason.ERROR, detail="the answer that it verifies was not judged")
        judgement = self.judgement(text)
        if judgement is None:
            return Verdict(0.0, Reason.NO_ANSWER)
        agrees = judgement is first.correct
        answer = self.right if judgement else self.wrong
        return Verdict(float(agrees), Reason.CORRECT if agrees else Reason.WRONG, answer)


class VerifiedEnv:
    """A `TrainingEnv` of two attempts with a verification between them: three turns.

    The third turn's score is that of the final answer: the revision where the verification found
    the first answer wrong, and the first answer again where it did not. There the third turn is
    dropped: `collect` samples it with the other rows, and it is not trained on.

    Args:
        env: of two attempts.
        verification: the texts between the turns.
        revise_unjudged: whether a verification without a judgement is followed by a revision, as
            where PAG plays; in training the episode ends there.
    """

    attempts = 3

    def __init__(
        self, env: TrainingEnv, verification: Verification, *, revise_unjudged: bool = False
    ) -> None:
        self._env = env
        self.verification = verification
        self.revise_unjudged = revise_unjudged

    @property
    def problems(self) -> ProblemSet:
        """The problems of the environment."""
        return self._env.problems

    @property
    def verifier(self) -> Verifier:
        """Its verifier."""
        return self._env.verifier

    @property
    def prompts(self) -> Prompts:
        """Its texts."""
        return self._env.prompts

    @property
    def between_turns(self) -> tuple[str, ...]:
        """The texts between the turns, in the place of the environment's instruction."""
        return (self.verification.verify, self.verification.revise)

    def vectorised(self, num_envs: int) -> VectorEnv[Any, Any, Any]:
        """Return a vector environment of ``num_envs`` rows, without autoreset."""
        return VerifiedVectorEnv(
            self._env.vectorised(num_envs), self.verification, revise_unjudged=self.revise_unjudged
        )


class VerifiedVectorEnv(VectorWrapper):
    """The rows of a `VerifiedEnv`, around a vector environment of two attempts."""

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        verification: Verification,
        *,
        revise_unjudged: bool = False,
    ) -> None:
        super().__init__(env)
        self.verification = verification
        self.revise_unjudged = revise_unjudged
        self._turns: list[tuple[list[str], list[Verdict]]] = []
        self._conversations: Sequence[Conversation] = ()

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Start an episode in every row."""
        self._turns = []
        self._conversations, info = self.env.reset(**options)
        return self._conversations, info

    def step(self, actions: Sequence[str]) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Take the answers, then the verifications, then the revisions of all rows."""
        turn = (self._answer, self._verify, self._revise)[len(self._turns)]
        verdicts, infos = turn(actions)
        self._turns.append((list(actions), verdicts))
        scores = np.array([verdict.score for verdict in verdicts])
        over = np.full(len(scores), len(self._turns) == VerifiedEnv.attempts)
        infos["verdict"] = np.array(verdicts, dtype=object)
        return self._conversations, scores, over, np.zeros_like(over), infos

    def _answer(self, replies: Sequence[str]) -> tuple[list[Verdict], dict[str, Any]]:
        conversations, _, _, _, infos = self.env.step(replies)
        self._conversations = tuple(map(self.verification.asked, conversations))
        return list(infos["verdict"]), {}

    def _verify(self, replies: Sequence[str]) -> tuple[list[Verdict], dict[str, Any]]:
        _, first = self._turns[0]
        self._conversations = tuple(
            map(self.verification.told, self._conversations, map(str, replies))
        )
        return list(map(self.verification.verdict, replies, first)), {}

    def _revise(self, replies: Sequence[str]) -> tuple[list[Verdict], dict[str, Any]]:
        (answers, _), (verifications, verified) = self._turns
        judgements = [self.verification.judgement(text) for text in verifications]
        revised = (False, None) if self.revise_unjudged else (False,)
        kept = [judgement not in revised for judgement in judgements]
        final = [
            Reply(answer, tokens=0) if keep else reply
            for answer, reply, keep in zip(answers, replies, kept, strict=True)
        ]
        _, _, _, _, infos = self.env.step(final)
        episodes = [
            self._episode(row, episode, verifications[row], verified[row], kept[row])
            for row, episode in enumerate(infos["finished"])
        ]
        self._conversations = tuple(episode.conversation for episode in episodes)
        return list(infos["verdict"]), {"finished": episodes, "dropped": np.array(kept)}

    def _episode(
        self, row: int, played: Episode, text: str, verdict: Verdict, kept: bool
    ) -> Episode:
        reply = text if isinstance(text, Reply) else Reply(text)
        verified = Attempt(
            reply=text,
            verdict=verdict,
            tokens=reply.tokens,
            truncated=reply.truncated,
            verification=True,
        )
        conversation = self._conversations[row]
        last = Message(role="assistant", content=str(played.attempts[1].reply))
        return Episode(
            problem=played.problem,
            attempts=(played.attempts[0], verified, played.attempts[1]),
            conversation=conversation[:-1] if kept else (*conversation, last),
        )
