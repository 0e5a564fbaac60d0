"""PAG: the policy verifies its own answer, and revises it only if it finds it wrong."""

from typing import TYPE_CHECKING

from selfcorrect_agents.lazy_names import on_first_use
from selfcorrect_agents.methods.pag.config import PAGConfig

if TYPE_CHECKING:
    from selfcorrect_agents.methods.pag.pag import PAG, PAGPlayConfig

__all__ = ["PAG", "PAGConfig", "PAGPlayConfig"]

__getattr__ = on_first_use(__name__, {"pag": ("PAG", "PAGPlayConfig")})
