"""A finished episode as text, for logs."""

from __future__ import annotations

from selfcorrect_env.types import Episode


def episode_text(episode: Episode, width: int = 100) -> str:
    """Return the messages of an episode, each verdict and the transition, as plain text.

    Args:
        episode: a finished one.
        width: of a line in characters.
    """
    from selfcorrect_env.rendering import to_text  # rich

    return to_text(episode.problem, episode.conversation, episode.attempts, width)
