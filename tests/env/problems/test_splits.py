import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env.errors import UnknownNameError
from selfcorrect_env.problems.splits import (
    SHARES,
    check_split,
    digest,
    draw_distinct,
    draw_of_split,
    is_test,
    split_of,
)


@given(st.text(st.characters(codec="utf-8")))
def test_the_split_of_a_text_is_its_sha256_modulo_5(text):
    start = hashlib.sha256(text.encode()).hexdigest()[:16]
    assert digest(text) == start
    assert is_test(text) == (int(start, 16) % 5 == 0)


def test_known_values():
    assert [text for text in "abcdefghij" if is_test(text)] == ["a", "c", "i", "j"]


@given(st.text(st.characters(codec="utf-8")))
def test_the_validation_split_is_cut_out_of_the_training_share(text):
    number = int(digest(text), 16)
    assert (split_of(text) == "test") == is_test(text)
    assert (split_of(text) == "validation") == (number % 20 == 1)


def test_the_shares_of_three_splits():
    """Within five standard errors (false alarm below 1e-6 each; the texts are fixed)."""
    found = [split_of(str(i)) for i in range(20_000)]
    assert sum(SHARES.values()) == 1
    for split, share in SHARES.items():
        assert abs(found.count(split) / 20_000 - share) < 5 * (share * (1 - share) / 20_000) ** 0.5


def test_unknown_splits():
    check_split("x", "train")
    with pytest.raises(
        UnknownNameError, match=r"Unknown split 'trian' of 'x'\. Did you mean 'train'"
    ):
        check_split("x", "trian")
    with pytest.raises(UnknownNameError, match="Known: test, train, validation"):
        check_split("x", "tuning", SHARES)


def test_texts_are_drawn_until_there_are_enough_of_a_split() -> None:
    numbers = itertools.count()

    def draw(count: int) -> list[str]:
        return [str(next(numbers)) for _ in range(count)]

    found = draw_of_split(30, "validation", draw)
    assert found == [t for t in map(str, range(10_000)) if split_of(t) == "validation"][:30]
    assert draw_of_split(0, "test", draw) == []


def test_distinct_texts_keep_the_order_of_their_first_draw() -> None:
    given = iter("abacbadce")
    drawn = draw_distinct(5, lambda count: [next(given) for _ in range(count)])
    assert drawn == list("abcde")
