"""The plugin that verifiers loads for ``vf-eval selfcorrect-vf``.

verifiers imports a taskset by the name of a top-level module, and takes the taskset, the
environment and the harness from its ``__all__``.
"""

try:
    import verifiers.v1  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"selfcorrect_vf needs the library verifiers, which cannot be imported ({error}). "
        'Install it with Python 3.11 or newer: pip install "selfcorrect-env[verifiers]".'
    ) from error

from selfcorrect_env.serving.verifiers.env import PlainChat, SelfCorrectVerifiersEnv
from selfcorrect_env.serving.verifiers.taskset import SelfCorrectTaskset

__all__ = ["PlainChat", "SelfCorrectTaskset", "SelfCorrectVerifiersEnv"]
