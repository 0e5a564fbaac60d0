"""Pair-SFT: supervised fine-tuning on synthesised pairs."""

from selfcorrect_agents.methods.sft.sft import PairSFT, PairSFTConfig

__all__ = ["PairSFT", "PairSFTConfig"]
