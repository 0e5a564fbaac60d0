"""The errors that this package raises on purpose.

    SelfCorrectError (Exception)
    ├── ProblemSetError (also ValueError)       a problem set that cannot be loaded or read
    │   └── UnknownNameError (also KeyError)    a name that no registry holds
    ├── EpisodeError (also RuntimeError)        a call that the episode's state does not allow
    ├── UnsupportedEnvError (also TypeError)    an environment or wrapper that cannot be used here
    ├── VerifierError (also RuntimeError)       a verifier that could not give a verdict
    ├── SandboxError (also RuntimeError)        programs cannot be isolated as asked (sandbox)
    ├── ContractError (also AssertionError)     a part that breaks its contract (testing.py)
    └── CheckpointError (also RuntimeError)     a file of a run that cannot be read back

Each one also inherits the standard error that a caller would expect, so that
``except ValueError`` works. `ProblemSetWarning` (a UserWarning) is for a problem set that is
not what its name suggests. A message says what was wrong, what was expected and
what to do. What a *model* wrote never raises any of these: it is scored.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SelfCorrectError(Exception):
    """Base of every error that this package raises on purpose."""


class ProblemSetError(SelfCorrectError, ValueError):
    """A problem set cannot be loaded, or a row of its file is broken."""


class UnknownNameError(ProblemSetError, KeyError):
    """A name (of a problem set, a verifier, an agent, a split) that is not known."""

    __str__ = Exception.__str__  # KeyError would print the message's repr

    @classmethod
    def of(cls, kind: str, name: object, known: Iterable[str]) -> UnknownNameError:
        """Build the error for ``name``, with the known names and the closest of them."""
        names = sorted(known)
        close = difflib.get_close_matches(str(name), names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        return cls(f"Unknown {kind} {name!r}.{hint} Known: {', '.join(names) or 'none'}.")


class ProblemSetWarning(UserWarning):
    """A problem set is not quite what was asked for: scores on it mean something else."""


class EpisodeError(SelfCorrectError, RuntimeError):
    """A call that the episode's state does not allow, such as a step after its end."""


class UnsupportedEnvError(SelfCorrectError, TypeError):
    """An environment, or a wrapper around it, that training or evaluation cannot use as it is."""


class VerifierError(SelfCorrectError, RuntimeError):
    """A verifier could not give a verdict. Never the same thing as a wrong answer."""


class SandboxError(SelfCorrectError, RuntimeError):
    """This machine cannot isolate programs as much as was asked (`selfcorrect_env.sandbox`)."""


class ContractError(SelfCorrectError, AssertionError):
    """An agent, a verifier or a problem set breaks its contract (`selfcorrect_env.testing`)."""


class CheckpointError(SelfCorrectError, RuntimeError):
    """A checkpoint or another file of a run is truncated, corrupt or of another run."""
