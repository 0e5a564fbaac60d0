"""Pair-SFT: supervised fine-tuning on synthesised pairs."""

from typing import TYPE_CHECKING

from selfcorrect_agents.lazy_names import on_first_use
from selfcorrect_agents.methods.sft.config import PairSFTConfig

if TYPE_CHECKING:
    from selfcorrect_agents.methods.sft.sft import PairSFT

__all__ = ["PairSFT", "PairSFTConfig"]

__getattr__ = on_first_use(__name__, {"sft": ("PairSFT",)})
