"""An episode as text: the problem, each attempt with its verdict, and the transition."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.text import Text

from selfcorrect_env.printing import printable
from selfcorrect_env.types import Attempt, Conversation, Problem, Reason, Transition, Verdict

_COLOURS = {
    Reason.CORRECT: "green",
    Reason.PARTIAL: "yellow",
    Reason.ERROR: "yellow",
    Reason.TIMEOUT: "yellow",
}


TRANSITIONS = {
    Transition.CORRECT_TO_CORRECT: "right → right (c→c)",
    Transition.INCORRECT_TO_CORRECT: "wrong → right (i→c)",
    Transition.CORRECT_TO_INCORRECT: "right → wrong (c→i)",
    Transition.INCORRECT_TO_INCORRECT: "wrong → wrong (i→i)",
    None: "not judged",
}
"""Each transition in words, with its symbol (i: incorrect, c: correct)."""


def to_text(
    problem: Problem, conversation: Conversation, attempts: Sequence[Attempt], width: int = 100
) -> str:
    """Return an episode, finished or not, as plain text ``width`` characters wide."""
    console = Console(
        file=io.StringIO(),
        width=width,
        color_system=None,
        force_terminal=False,
        force_jupyter=False,
    )
    with console.capture() as captured:
        for part in panels(problem, conversation, attempts):
            console.print(part)
    return captured.get()


def to_terminal(problem: Problem, conversation: Conversation, attempts: Sequence[Attempt]) -> None:
    """Print what the last reset or step added to an episode, in colour if the terminal has it.

    Characters that the terminal's encoding lacks are printed as escapes.
    """
    console = Console(force_jupyter=False)
    parts = list(panels(problem, conversation, attempts))
    replies = [i for i, m in enumerate(conversation) if m["role"] == "assistant"]
    new = parts[replies[-1] :] if attempts else parts
    with console.capture() as captured:
        for part in new:
            console.print(part)
    text = captured.get().encode(console.encoding, "backslashreplace").decode(console.encoding)
    console.file.write(text)
    console.file.flush()


def panels(
    problem: Problem, conversation: Conversation, attempts: Sequence[Attempt]
) -> Iterator[RenderableType]:
    """Yield one panel for each message, then the transition if there were two attempts or more.

    The attempts are the last replies; one before them is part of the problem, as in a repair.
    """
    turn = len(attempts) - sum(message["role"] == "assistant" for message in conversation)
    shown = 0
    for message in conversation:
        if message["role"] == "assistant" and turn >= 0:
            yield attempt_panel(attempts[turn], turn + 1)
        else:
            title = f"problem {printable(problem.id, 60)}" if shown == 0 else "instruction"
            if message["role"] != "user":
                title = "system" if message["role"] == "system" else "attempt that is given"
            yield Panel(Text(printable(message["content"])), title=Text(title), border_style="blue")
        if message["role"] == "assistant":
            turn, shown = turn + 1, shown + 1
    if len(attempts) > 1 and conversation[-1]["role"] == "assistant":
        outcome = Transition.of(*(attempt.verdict for attempt in attempts))
        yield Text(f"{TRANSITIONS[outcome]}, reference: {printable(problem.reference, 200)}")


def attempt_panel(attempt: Attempt, number: int) -> Panel:
    """Return the panel of one attempt: the reply, and its verdict as the subtitle."""
    verdict = attempt.verdict
    return Panel(
        Text(printable(attempt.reply)),
        title=Text(f"attempt {number}"),
        subtitle=Text(describe(verdict)),
        border_style=_COLOURS.get(verdict.reason, "red"),
    )


def describe(verdict: Verdict) -> str:
    """Return a verdict in one line: score, reason, the answer found, details."""
    parts = [f"{verdict.score:g} · {verdict.reason}"]
    if verdict.answer is not None:
        parts.append(f"answer {printable(verdict.answer, 80)}")
    if verdict.detail:
        parts.append(printable(verdict.detail, 120))
    return " · ".join(parts)
