"""ThinkTwice: a step on solving, then a step on refining, in turn."""

from typing import TYPE_CHECKING

from selfcorrect_agents.lazy_names import on_first_use
from selfcorrect_agents.methods.thinktwice.config import ThinkTwiceConfig

if TYPE_CHECKING:
    from selfcorrect_agents.methods.thinktwice.thinktwice import ThinkTwice

__all__ = ["ThinkTwice", "ThinkTwiceConfig"]

__getattr__ = on_first_use(__name__, {"thinktwice": ("ThinkTwice",)})
