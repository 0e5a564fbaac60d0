"""`without_older_objects`: garbage collection that costs less while a model trains."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_older_objects() -> Iterator[None]:
    """Exclude the objects that exist now from garbage collection until the end of the block.

    Imported libraries hold some hundred thousand objects that live as long as the process. Steps
    make and drop many small ones, so Python's collector runs often and walks all of them each time.
    What the block itself makes is collected as usual. Where something is excluded already
    (`gc.freeze`), nothing changes, as the end of the block could not tell it apart.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.collect()  # a reference with weights of its own is in a cycle
