"""RISE-style on-policy distillation of one's own best second attempts."""

from typing import TYPE_CHECKING

from selfcorrect_agents.lazy_names import on_first_use
from selfcorrect_agents.methods.rise.config import RISEConfig

if TYPE_CHECKING:
    from selfcorrect_agents.methods.rise.rise import RISE

__all__ = ["RISE", "RISEConfig"]

__getattr__ = on_first_use(__name__, {"rise": ("RISE",)})
