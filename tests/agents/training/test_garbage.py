"""Objects from before a block are not walked in it, what it makes is collected."""

import gc
import weakref

import pytest

from selfcorrect_agents.training.garbage import without_older_objects


class Node:
    """An object that refers to itself, so that only the collector frees it."""

    def __init__(self) -> None:
        self.me = self


def test_what_the_block_makes_is_collected_and_what_was_there_is_not() -> None:
    before = Node()
    older = weakref.ref(before)
    with without_older_objects():
        assert gc.get_freeze_count() > 0
        newer = weakref.ref(Node())
        del before
        gc.collect()
        assert newer() is None
        assert older() is not None
    assert gc.get_freeze_count() == 0
    gc.collect()
    assert older() is None


def test_it_ends_with_an_error() -> None:
    with pytest.raises(ZeroDivisionError), without_older_objects():
        raise ZeroDivisionError
    assert gc.get_freeze_count() == 0


def test_what_a_caller_excluded_stays_excluded() -> None:
    gc.freeze()
    try:
        with without_older_objects():
            pass
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
