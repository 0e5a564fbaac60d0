"""`play_concurrently`: many episodes in progress, each going on when its own reply is there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TypeAlias

from selfcorrect_env.errors import NoReplyError
from selfcorrect_env.evaluation.asking import Answered, Asker, Question
from selfcorrect_env.evaluation.runners import Play, Runner
from selfcorrect_env.types import Episode

FinishedEpisodes: TypeAlias = "list[tuple[int, Episode]]"
"""Episodes, each with its number in the evaluation."""
ReplyKey: TypeAlias = tuple[int, int]
"""The number of an episode, and the number of the attempt, both from 0."""
Replies: TypeAlias = "list[tuple[ReplyKey, str]]"

AHEAD = 2
"""Episodes in progress for each request at a time: while replies are verified, the other requests
are not waiting for questions."""


def play_concurrently(
    runner: Runner,
    asker: Asker,
    numbers: Sequence[int],
    *,
    samples: int = 1,
    index_of: Callable[[int], int],
    known: Mapping[ReplyKey, str],
    record: Callable[[Replies], None] = lambda replies: None,
) -> Generator[FinishedEpisodes, None, None]:
    """Play episodes, and hand them on as they finish.

    The environment is stepped in the calling thread. When the generator is closed or an exception
    is raised in it, requests in progress are cancelled.

    Args:
        runner: of the environment.
        asker: asks the agent; it is closed at the end.
        numbers: the episodes' numbers in the evaluation.
        samples: episodes of each problem.
        index_of: the problem's index for the number of an episode.
        known: replies that were given before; they are not asked for.
        record: called with the replies as they come, before anything else is done with them.

    Raises:
        TypeError: a reply is not a str.

    Yields:
        The episodes that finished together.

    An agent that raises `NoReplyError` leaves its episode without judgement
    (`Reason.NO_REPLY`). Any other exception is raised here.
    """
    waiting, playing = deque(numbers), dict[int, Play]()
    most = min(AHEAD * asker.concurrency, runner.at_once or AHEAD * asker.concurrency)

    def go_on(number: int) -> Episode | None:
        """Answered from ``known``; then ask, or return the episode if it is over."""
        play = playing[number]
        while play.finished is None and (number, len(play.replies)) in known:
            play.step(known[number, len(play.replies)])
        if play.finished is not None:
            return playing.pop(number).finished
        asker.ask(Question(number, number % samples, len(play.replies), play.shown()))
        return None

    try:
        while waiting or playing:
            while waiting and len(playing) < most:
                number = waiting.popleft()
                playing[number] = runner.begin(index_of(number))
                if (episode := go_on(number)) is not None:
                    yield [(number, episode)]
            if not playing:
                continue
            answers = asker.next()
            record(replies_of(answers))
            finished = []
            for answer in answers:
                number = _stepped(answer, playing)
                if (episode := go_on(number)) is not None:
                    finished.append((number, episode))
            if finished:
                yield finished
    finally:
        record(replies_of(asker.close()))


def replies_of(answers: Sequence[Answered]) -> Replies:
    """Return the replies among answers, each with its episode and attempt."""
    return [
        ((answer.question.episode, answer.question.replies), answer.reply)
        for answer in answers
        if answer.question is not None and isinstance(answer.reply, str)
    ]


def _stepped(answer: Answered, playing: Mapping[int, Play]) -> int:
    """Give an answer to its episode, and return the episode's number."""
    question = answer.question
    if question is not None and isinstance(answer.error, NoReplyError):
        playing[question.episode].fail(" ".join(str(answer.error).split()))
        return question.episode
    if answer.error is not None:
        raise answer.error
    assert question is not None  # only an error has none
    if not isinstance(answer.reply, str):
        raise TypeError(
            f"The agent returned a value of type {type(answer.reply).__name__} "
            f"({answer.reply!r:.60}) for a conversation; expected a str."
        )
    playing[question.episode].step(answer.reply)
    return question.episode
