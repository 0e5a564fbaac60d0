"""Generated problem sets; they need no data and no download."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selfcorrect_env.problems.generated import arithmetic, sums, toycode

__all__ = ["arithmetic", "sums", "toycode"]
