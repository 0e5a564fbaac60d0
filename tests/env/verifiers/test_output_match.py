"""Whether printed output is the expected one: LiveCodeBench's rules, and a tolerance as APPS'."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env.verifiers.output_match import difference, same_output


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("3\n", "3"),
        ("3", "3\n\n"),
        ("  3  ", "3"),
        ("1 2 3 \n4 5 6\t\n", "1 2 3\n4 5 6"),
        ("1\r\n2\r\n", "1\n2"),
        ("1  2", "1 2"),
        ("1\t2", "1 2"),
        ("YES\nNO", "YES \n NO\n"),
        ("1.50", "1.5"),
        ("3.0", "3"),
        ("-0.0", "0"),
        ("+5", "5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1e3", "1000"),
        ("1.5 yes 2", "1.50 yes 2.0"),
        ("", ""),
        ("\n\n", ""),
        ("a\n\nb", "a\n\nb"),
        ("x" * 100_000, "x" * 100_000),
        ("9" * 1000, "9" * 1000),
    ],
)
def test_the_same(printed: str, expected: str) -> None:
    assert same_output(printed, expected)
    assert difference(printed, expected) == ""


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("3", "4"),
        ("", "3"),
        ("3", ""),
        ("1 2", "2 1"),
        ("1 2", "12"),
        ("12", "1 2"),
        ("1\n2", "1 2"),
        ("1 2", "1\n2"),
        ("yes", "YES"),
        ("3\n4", "3"),
        ("a\nb", "a\n\nb"),
        ("09", "9"),
        ("0101", "101"),
        ("00", "0"),
        ("1_000", "1000"),
        ("٣", "3"),
        ("³", "3"),
        ("nan", "0"),
        ("inf", "1e9999"),
        ("0x10", "16"),
        ("1,000", "1000"),
        ("0.333333", "0.333334"),
        ("100000000000000000000000001", "100000000000000000000000000"),
        ("9" * 1000 + "0", "9" * 1000 + "0.0"),
        ("Answer: 3", "3"),
        ("3 3", "3"),
        ("True", "1"),
        ("1e99999", "1e99999.0"),
    ],
)
def test_not_the_same(printed: str, expected: str) -> None:
    assert not same_output(printed, expected)
    assert difference(printed, expected)


@pytest.mark.parametrize(
    ("printed", "expected", "tolerance", "same"),
    [
        ("0.33333", "0.33334", 1e-4, True),
        ("0.3333", "0.3344", 1e-4, False),
        ("1000000.5", "1000001.0", 1e-6, True),
        ("2.9999999", "3", 1e-6, True),
        ("1000000008", "1000000007", 1e-6, False),
        ("1000000008.0", "1000000007", 1e-6, False),
        ("3", "4", 10, False),
        ("nan", "1.0", 1e-6, False),
        ("1e9999", "1.0", 1e-6, False),
        ("yes 0.1", "yes 0.1000001", 1e-6, True),
        ("no 0.1", "yes 0.1", 1e-6, False),
    ],
)
def test_tolerance(printed: str, expected: str, tolerance: float, same: bool) -> None:
    assert same_output(printed, expected, tolerance) is same


words = st.text("ab01.9 -\n\t", max_size=30)


@given(words)
def test_every_output_is_itself_with_other_white_space_at_its_ends(text: str) -> None:
    assert same_output(text, text)
    assert same_output(f"\n {text}\n\n", text)
    assert same_output("\n".join(f" {line}\t" for line in text.split("\n")), text)


@given(words, words)
def test_it_is_symmetric_and_the_difference_says_so(one: str, other: str) -> None:
    assert same_output(one, other) == same_output(other, one)
    assert same_output(one, other) == (difference(one, other) == "")


@given(st.lists(st.integers(-(10**20), 10**20), min_size=1), st.integers(1, 9))
def test_whole_numbers_are_compared_exactly(numbers: list[int], more: int) -> None:
    text = " ".join(map(str, numbers))
    assert same_output(text, "  ".join(f"{number}.0" for number in numbers))
    other = [*numbers[:-1], numbers[-1] + more]
    assert not same_output(" ".join(map(str, other)), text)
    assert not same_output(" ".join(map(str, other)), text, tolerance=0.1)


@given(st.floats(-1e6, 1e6), st.floats(0, 1e-3))
def test_a_tolerance_is_absolute_or_relative(value: float, tolerance: float) -> None:
    near = value + 0.99 * tolerance * max(1.0, abs(value))
    far = value + 2.1 * tolerance * max(1.0, abs(value)) + 1e-2
    assert same_output(f"{near!r}", f"{value!r}", tolerance or 1e-12) or math.isclose(tolerance, 0)
    assert not same_output(f"{far!r}", f"{value!r}", tolerance)


@given(st.text(max_size=50), st.text(max_size=50))
def test_any_text_is_compared(one: str, other: str) -> None:
    assert isinstance(same_output(one, other, 1e-6), bool)
    if one.strip() == other.strip():
        assert same_output(one, other)
