"""Which `AnswerFormat` an agent reads replies with, if it may not know the verifier's score.

`Majority` votes on answers and `AlwaysFlip` changes them. Neither may know the reference or the
score, so they use the format alone, which sees nothing but the text of a reply.
"""

from __future__ import annotations

from selfcorrect_agents.lm.conversations import requested_answers
from selfcorrect_env import AgentError, Conversation, VerifierError, import_attribute
from selfcorrect_env.verifiers import VERIFIERS, AnswerFormat, answer_format

AUTO = "auto"


def format_for(name: str, conversation: Conversation) -> AnswerFormat:
    """Return the format of answers called ``name``.

    Args:
        name: a verifier's name, whose format is used; ``"module:attribute"``, a verifier, an
            `AnswerFormat` or a function from a reply to its answer or None; or ``"auto"``: by the
            correction instruction at the end of ``conversation``.
        conversation: one that ends in a correction instruction.

    Raises:
        UnknownNameError: there is no verifier of that name.
        AgentError: ``"auto"``, and the instruction is not known; or it cannot be imported.
    """
    if name == AUTO:
        name = requested_answers(conversation)
        if not name:
            raise AgentError(
                "The instruction does not determine how to read answers: "
                f"{conversation[-1]['content']!r:.80}. Set answers= (--answers) to one of "
                f"{', '.join(VERIFIERS)}, or to module:function."
            )
    try:
        return _imported(name) if ":" in name else answer_format(name)
    except (ImportError, VerifierError) as error:
        raise AgentError(f"The format of answers {name!r} cannot be imported: {error}") from error


def _imported(path: str) -> AnswerFormat:
    found = import_attribute(path)
    if isinstance(found, AnswerFormat):
        return found
    return answer_format(found) if hasattr(found, "answer_format") else AnswerFormat(read=found)
