"""Every error that this package raises on purpose.

    SelfCorrectError (Exception)
    ├── UnknownNameError (also KeyError, ValueError)    a name that is not registered
    │   └── UnknownProblemSetError                      … of a problem set, or of a part of one
    ├── ProblemSetError (also ValueError)               problems that cannot be loaded or read
    │   ├── UnknownProblemSetError (also UnknownNameError)
    │   ├── HubUnavailableError                         a data set that is not cached, and no hub
    │   └── MathUnavailableError                        MATH was asked for and is not available
    ├── PromptsError (also ValueError)                  prompts that cannot be imported
    ├── AgentError (also ValueError)                    an agent that cannot be loaded or built
    ├── NoReplyError (also RuntimeError)                a reply that an agent could not get
    ├── EpisodeError (also RuntimeError)                a call that the episode's state forbids
    ├── RequestError (also ValueError)                  an invalid request to a served environment
    ├── UnsupportedEnvError (also TypeError)            an environment that cannot be used here
    ├── VerifierError (also RuntimeError)               a verifier that could not give a verdict
    ├── SandboxError (also RuntimeError)                programs cannot be isolated as asked
    ├── ContractError (also AssertionError)             a part that breaks its contract
    ├── CheckpointError (also RuntimeError)             a file of a run that cannot be read
    └── UsageError (also ValueError)                    an invalid command line
    ProblemSetWarning (UserWarning)                     a problem set that is a substitute
    UnjudgedWarning (UserWarning)                       episodes that could not be judged
    PluginWarning (UserWarning)                         another package's broken entry points

Each error also inherits the standard error that a caller would expect, so that
``except ValueError`` works. The errors of the agents are in `selfcorrect_agents.errors`. A message
says what was wrong, what was expected and what to do. The text that a *model* wrote never raises
any of these: it is scored. docs/reference/errors.md explains each one.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, TypeVar

Unknown = TypeVar("Unknown", bound="UnknownNameError")


class SelfCorrectError(Exception):
    """Base class of every error that this package raises on purpose."""


class UnknownNameError(SelfCorrectError, KeyError, ValueError):
    """A name (of a verifier, an agent, prompts, a command, an option) is not registered."""

    __str__ = Exception.__str__  # KeyError would print the message's repr

    @classmethod
    def of(
        cls: type[Unknown], kind: str, name: object, known: Iterable[str], hint: str = ""
    ) -> Unknown:
        """Build the error for ``name``, with the known names and the closest of them.

        Args:
            kind: what the name would be a name of, such as ``"verifier"`` or ``"split of 'math'"``.
            name: the unknown name.
            known: the names that are registered.
            hint: a last sentence, such as another way to name the thing.

        >>> print(UnknownNameError.of("verifier", "maths", ["math", "exact"]))
        Unknown verifier 'maths'. Did you mean 'math'? Known: exact, math.
        >>> print(UnknownNameError.of("split of 'math'", "dev", ["train", "test"]))
        Unknown split 'dev' of 'math'. Known: test, train.
        """
        names = sorted(known)
        by_lower = {known_name.lower(): known_name for known_name in names}
        close = difflib.get_close_matches(str(name).lower(), by_lower, n=1)
        guess = f" Did you mean {by_lower[close[0]]!r}?" if close else ""
        last = f" {hint}" if hint else ""
        noun, of, whole = kind.partition(" of ")
        unknown = f"{noun} {name!r}{of}{whole}"
        return cls(f"Unknown {unknown}.{guess} Known: {', '.join(names) or 'none'}.{last}")


class ProblemSetError(SelfCorrectError, ValueError):
    """A problem set cannot be loaded, or a row of its file is broken."""


class UnknownProblemSetError(UnknownNameError, ProblemSetError):
    """A problem set, or a split, subject, task or problem of one, is not known."""


class HubUnavailableError(ProblemSetError):
    """A data set is not cached and cannot be loaded from the hub; the message says why."""


class MathUnavailableError(ProblemSetError):
    """MATH was asked for, no file was given, and it is neither cached nor on a reachable hub.

    Args:
        reason: why it is not available.
        remedy: sentences that say how to get it.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(f"MATH is not available: {reason}. {remedy}".rstrip())
        self.reason = reason
        """Why it is not available, without the remedy."""
        self._remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, self._remedy)


class PromptsError(SelfCorrectError, ValueError):
    """Prompts cannot be imported, or the imported object is no `Prompts`."""


class AgentError(SelfCorrectError, ValueError):
    """An agent cannot be imported, built or used."""


class NoReplyError(SelfCorrectError, RuntimeError):
    """An agent raises it if it has no reply for good: that episode is not judged, others go on."""


class UnjudgedWarning(UserWarning):
    """Episodes that were measured or trained on could not be judged: they are left out."""


class EpisodeError(SelfCorrectError, RuntimeError):
    """A call that the episode's state does not allow, such as a step after its end."""


class RequestError(SelfCorrectError, ValueError):
    """A request to a served environment has an unknown field or a value that is not allowed."""


class UnsupportedEnvError(SelfCorrectError, TypeError):
    """An environment, or a wrapper around it, that training or evaluation cannot use as it is."""


class VerifierError(SelfCorrectError, RuntimeError):
    """A verifier could not give a verdict. This is never the same as a wrong answer."""


class SandboxError(SelfCorrectError, RuntimeError):
    """This machine cannot isolate programs as much as was asked (`selfcorrect_env.sandbox`)."""


class ContractError(SelfCorrectError, AssertionError):
    """An agent, a verifier or a problem set breaks its contract (`selfcorrect_env.testing`)."""


class CheckpointError(SelfCorrectError, RuntimeError):
    """A checkpoint or another file of a run is truncated, corrupt or belongs to another run."""


class UsageError(SelfCorrectError, ValueError):
    """The command line is invalid: the error is printed as one line, with exit status 2."""


class ProblemSetWarning(UserWarning):
    """A problem set is a substitute for the requested one, or a method trains on a test split:
    scores mean something else."""


class PluginWarning(UserWarning):
    """The entry points of an installed package cannot be read, so its parts are missing."""
