"""The math verifier: extraction, reading, exact equality, evaluation in high precision."""

from selfcorrect_env.verifiers.math.equality import normal_form
from selfcorrect_env.verifiers.math.extraction import final_answer
from selfcorrect_env.verifiers.math.verifier import MathVerifier

__all__ = ["MathVerifier", "final_answer", "normal_form"]
