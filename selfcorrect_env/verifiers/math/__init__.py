"""The math verifier: extraction, normal forms, exact algebra, symbolic equality."""

from selfcorrect_env.verifiers.math.extraction import final_answer
from selfcorrect_env.verifiers.math.normal_form import normal_form
from selfcorrect_env.verifiers.math.verifier import MathVerifier, quickly_equal

__all__ = ["MathVerifier", "final_answer", "normal_form", "quickly_equal"]
