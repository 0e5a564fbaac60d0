import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env.verifiers.math.boxed import last_boxed


@pytest.mark.parametrize(
    ("solution", "boxed"),
    [
        (r"It is $\boxed{2}$.", "2"),
        (r"First \boxed{1}, then $\boxed{\frac{1}{\sqrt{2}}}$.", r"\frac{1}{\sqrt{2}}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\left\{ x \right\}}", r"\left\{ x \right\}"),
        (r"\boxed{a \\}", r"a \\"),
        (r"\fbox{7}", "7"),
        (r"\boxed{1} and \fbox{2}", "2"),
        (r"\boxed 5$.", "5"),
        (r"$\boxed 5$ apples.", "5"),
        (r"\boxed {x + 1}", "x + 1"),
        (r"\boxed{\boxed{3}}", "3"),
        (r"\boxed{}", ""),
        (r"\boxed{1", None),
        (r"\boxed", None),
        (r"\boxed{a\}", None),
        ("nothing", None),
        ("", None),
    ],
)
def test_last_boxed(solution, boxed):
    assert last_boxed(solution) == boxed


@given(
    st.text(),
    st.recursive(
        st.text("ab 1+", max_size=4),
        lambda x: st.lists(x, max_size=3).map(lambda parts: "{" + "".join(parts) + "}"),
        max_leaves=8,
    ),
    st.text("abc.$ "),
)
def test_balanced_content_comes_back(before, content, after):
    assert last_boxed(rf"{before} \boxed{{{content}}} {after}") == content.strip()


def test_many_braces_are_no_trouble():
    deep = "{" * 200_000 + "}" * 200_000
    assert last_boxed(r"\boxed{" + deep + "}") == deep
    assert last_boxed(r"\boxed{" + "{" * 500_000) is None
