import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env.datasets.splits import check_split, digest, is_test
from selfcorrect_env.errors import UnknownNameError


@given(st.text(st.characters(codec="utf-8")))
def test_the_split_of_a_text_is_its_sha256_modulo_5(text):
    start = hashlib.sha256(text.encode()).hexdigest()[:16]
    assert digest(text) == start
    assert is_test(text) == (int(start, 16) % 5 == 0)


def test_known_values():
    assert [text for text in "abcdefghij" if is_test(text)] == ["a", "c", "i", "j"]


def test_unknown_splits():
    check_split("x", "train")
    with pytest.raises(
        UnknownNameError, match=r"Unknown split of 'x' 'trian'\. Did you mean 'train'"
    ):
        check_split("x", "trian")
