"""Multi-turn STaR: iterated fine-tuning on one's own successful corrections."""

from typing import TYPE_CHECKING

from selfcorrect_agents.lazy_names import on_first_use
from selfcorrect_agents.methods.star.config import STaRConfig

if TYPE_CHECKING:
    from selfcorrect_agents.methods.star.star import STaR

__all__ = ["STaR", "STaRConfig"]

__getattr__ = on_first_use(__name__, {"star": ("STaR",)})
