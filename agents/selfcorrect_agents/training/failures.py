"""What ends a run before its last step, other than the verifier: numbers that are not finite, a KL
above its limit, and a disk that takes no more.

None of these writes a checkpoint. Weights are found to have diverged in the step after the one that
changed them, so the newest checkpoint may have them already; the message names one from before.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from selfcorrect_agents.errors import DiskError, DivergenceError
from selfcorrect_agents.rl.rollout import Rollout
from selfcorrect_agents.training.checkpoint import NAME

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Numbers of the system's errors that mean that there is no room for a file."""

_SAYS_FULL = re.compile(rf"\b(?:os error |Os {{ code: )({'|'.join(map(str, FULL))})\b")
"""What safetensors says, since 0.6 and before."""


def check_rewards(rewards: Tensor, scores: Tensor) -> None:
    """Refuse rewards, (B, K), of which one is not finite.

    Raises:
        DivergenceError: naming the episode, the turn and the score.
    """
    if bool(rewards.isfinite().all()):
        return
    row, turn = (int(index) for index in (~rewards.isfinite()).nonzero()[0])
    raise DivergenceError(
        f"The reward of turn {turn + 1} of episode {row + 1} is {float(rewards[row, turn])}, made "
        f"of the score {float(scores[row, turn]):g}. No step was taken. Correct the method's "
        "rewards."
    )


def check_sampled(rollout: Rollout) -> None:
    """Refuse a rollout with log-probabilities that are not finite.

    Raises:
        DivergenceError: the model's logits are not finite.
    """
    if not bool(rollout.logps.isfinite().all()):
        raise DivergenceError(_NOT_FINITE)


_NOT_FINITE = (
    "The model's logits are not finite, so no reply can be drawn. Lower learning_rate or "
    "max_grad_norm; if it happens in the first step, load the model in another dtype."
)


def kl_failure(metrics: Mapping[str, float], limit: float | None) -> DivergenceError | None:
    """Return the error of a step whose KL exceeds ``limit``, in nats a sampled token, or None.

    Args:
        metrics: of the step; a turn is left out that has no ``t{t}/kl``.
        limit: `Execution.max_kl`.
    """
    for key, kl in metrics.items():
        found = re.fullmatch(r"(t\d+)/kl", key)
        if limit is None or not found:
            continue
        turn = found[1]
        fitted = metrics.get(f"after_fit/{turn}/tokens")
        tokens = metrics.get(f"{turn}/tokens", 0.0) if fitted is None else fitted
        of_token = kl / tokens if tokens else kl
        if not of_token <= limit:
            return DivergenceError(
                f"The KL of {turn} to the reference is {of_token:.3g} nats a token, "
                f"above max_kl={limit:g}. Lower learning_rate (in stage II of SCoRe, "
                "stage_two_learning_rate) or raise beta_1, or raise max_kl."
            )
    return None


def disk_failure(error: Exception) -> str | None:
    """Return what a failed write says if there was no room for a file, else None."""
    if isinstance(error, DiskError):
        return str(error)
    if isinstance(error, OSError):
        file = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror}{file}" if error.errno in FULL else None
    text = str(error).partition("\n")[0]
    return text if _SAYS_FULL.search(text) else None


@contextmanager
def diverging(*, after: int) -> Iterator[None]:
    """Say in a `DivergenceError` that the weights after so many steps are those that diverged."""
    try:
        yield
    except DivergenceError as error:
        error.after = after
        raise


@contextmanager
def explained(
    taken: Callable[[], int],
    checkpoints: Path | None,
    best: Callable[[int | None], Path | None] = lambda before: None,
) -> Iterator[None]:
    """Say in the errors of this module how many steps were taken, and what is left.

    Args:
        taken: returns the number of steps that were taken.
        checkpoints: the folder of the run's checkpoints; None without a run.
        best: returns the checkpoint of the best evaluation after less than so many steps; None if
            there is none to be kept.

    Raises:
        DivergenceError: as it was raised, with step and checkpoint.
        DiskError: for a file that there was no room for.
    """
    try:
        yield
    except DivergenceError as error:
        left = _newest(checkpoints, error.after)
        further = f" {left} Train on from its model with other settings." if left else ""
        if not left and _newest(checkpoints):
            further = " Every checkpoint has the weights that diverged: start a new run."
        if (kept := best(error.after)) is not None:
            further += f" The best evaluation was that of {kept / 'model'}."
        raise DivergenceError(f"Training stopped {_when(taken())}: {error}{further}") from error
    except Exception as error:
        cause = disk_failure(error)
        if cause is None:
            raise
        left = _newest(checkpoints) or "No checkpoint was written before."
        raise DiskError(
            f"Training stopped {_when(taken())}: a file can't be written: {cause}. {left} Make "
            "room and resume the run."
        ) from error


def _when(taken: int) -> str:
    return f"after step {taken}" if taken else "before a step was logged"


def _newest(checkpoints: Path | None, before: int | None = None) -> str:
    """Return a sentence that names the newest checkpoint, of less than ``before`` steps."""
    folders = checkpoints.iterdir() if checkpoints and checkpoints.is_dir() else []
    found = {int(name[1]): it for it in folders if (name := NAME.fullmatch(it.name))}
    steps = [step for step in found if before is None or step < before]
    if not steps:
        return ""
    which = "newest checkpoint" if max(steps) == max(found) else "newest checkpoint from before"
    return f"The {which} is {found[max(steps)]}."
