"""The code verifier: the program of a reply is found, run in a sandbox, and judged by tests."""

from selfcorrect_env.verifiers.code.programs import program_of
from selfcorrect_env.verifiers.code.verifier import CodeVerifier

__all__ = ["CodeVerifier", "program_of"]
