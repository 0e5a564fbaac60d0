"""A function that cannot be a verifier is refused when the environment is made."""

import functools
import operator
import types

import pytest

from selfcorrect_env import Reason, SelfCorrectEnv, Verdict
from selfcorrect_env.errors import VerifierError
from selfcorrect_env.verifiers import FunctionVerifier, as_verifier, get_verifier
from selfcorrect_env.verifiers.base import verify_each
from selfcorrect_env.verifiers.signatures import check_signature

ROWS = [{"prompt": "1 + 1", "reference": "2"}]


def right(problem, response):
    return response == problem.reference


def with_defaults(problem, response, strict=True, *, case=False):
    return right(problem, response)


def anything(*arguments, **options):
    return right(*arguments)


def of_three(problem, response, strict):
    return strict and right(problem, response)


class Methods:
    def method(self, problem, response):
        return right(problem, response)

    @staticmethod
    def static(problem, response):
        return right(problem, response)

    @classmethod
    def of_class(cls, problem, response):
        return right(problem, response)

    def __call__(self, problem, response):
        return right(problem, response)


GOOD = [
    right,
    with_defaults,
    anything,
    lambda problem, response: right(problem, response),
    lambda p, r, /: right(p, r),
    functools.partial(of_three, strict=True),
    functools.lru_cache(right),
    Methods(),
    Methods().method,
    Methods.static,
    Methods.of_class,
]


@pytest.mark.parametrize("function", GOOD)
def test_whatever_takes_two_positional_arguments_is_a_verifier(function) -> None:
    env = SelfCorrectEnv(ROWS, verifier=function)
    env.reset()
    assert env.step("2")[1] == 1.0


def test_a_function_without_a_readable_signature_is_accepted() -> None:
    with pytest.raises(ValueError, match="no signature"):
        __import__("inspect").signature(max)
    check_signature(max, "max")
    check_signature(operator.eq, "eq")


async def late(problem, response):
    return 1.0


async def late_scores(problem, response):
    yield 1.0


def yields(problem, response):
    yield 1.0


class Late:
    async def __call__(self, problem, response):
        return 1.0


class LateVerifier:
    name = "late"

    async def verify(self, problem, response):
        return Verdict(1.0, Reason.CORRECT)

    def verify_batch(self, problems, responses):
        return verify_each(self, problems, responses)  # type: ignore[arg-type]


class ReplyOnly(LateVerifier):
    def verify(self, response):
        return Verdict(1.0, Reason.CORRECT)


def trl(completions, **kwargs):
    return [1.0 for _ in completions]


def trl_of_two(prompts, completions, **kwargs):
    return [1.0 for _ in completions]


BAD = [
    (lambda response: 1.0, r"does not fit: too many positional arguments"),
    (lambda: 1.0, r"does not fit: too many positional arguments"),
    (of_three, r"of_three\(problem, response, strict\) does not fit: missing .*'strict'"),
    (lambda problem, *, response: 1.0, "does not fit"),
    (lambda **options: 1.0, "does not fit"),
    (functools.partial(right, None), r"right\(response\) does not fit"),
    (Methods.method, "does not fit: missing"),  # the self is missing
    (late, "late is async"),
    (late_scores, "late_scores is async"),
    (functools.partial(late), "late is async"),
    (Late(), "Late is async"),
    (types.MethodType(late, ROWS), "late is async"),
    (yields, "yields is a generator"),
    (trl, r"trl\(completions, \*\*kwargs\) looks like a reward function of TRL"),
    (trl_of_two, "looks like a reward function of TRL"),
    (Methods, "Methods is a class"),
    (float, "float is a class"),
    (LateVerifier, "LateVerifier is a class"),
    (LateVerifier(), "LateVerifier.verify is async"),
    (ReplyOnly(), r"ReplyOnly.verify\(response\) does not fit"),
]


@pytest.mark.parametrize(("function", "message"), BAD)
def test_anything_else_is_refused_with_one_line(function, message) -> None:
    with pytest.raises(TypeError, match=message) as caught:
        SelfCorrectEnv(ROWS, verifier=function)
    assert str(caught.value).startswith("A verifier is called as verifier(problem, response)")
    assert "\n" not in str(caught.value)
    with pytest.raises(TypeError, match=message):
        as_verifier(function)


def test_an_option_may_be_a_list(tmp_path, monkeypatch) -> None:
    (tmp_path / "listing_judges.py").write_text(
        "class Listing:\n    name = 'listing'\n"
        "    def __init__(self, words):\n        self.words = words\n"
        "    def verify(self, problem, response):\n        pass\n"
        "    def verify_batch(self, problems, responses):\n        pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = get_verifier("listing_judges:Listing", words=["a", "b"])
    assert found.words == ("a", "b")  # type: ignore[attr-defined]
    assert get_verifier("listing_judges:Listing", words=("a", "b")) is found


def test_a_named_verifier_of_a_wrong_signature_is_refused(tmp_path, monkeypatch) -> None:
    (tmp_path / "odd_judges.py").write_text(
        "def one(response):\n    return 1.0\n"
        "class Needs:\n    def __init__(self, key):\n        pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(VerifierError, match=r"'odd_judges:one' cannot be used: A verifier is cal"):
        get_verifier("odd_judges:one")
    with pytest.raises(VerifierError, match=r"'odd_judges:Needs' cannot be used: .*'key'"):
        get_verifier("odd_judges:Needs")


@pytest.mark.parametrize("result", ["yes", "1", b"1", 7, -0.5, float("nan"), None, [1.0], object()])
def test_what_is_no_score_is_an_error_that_names_its_cause(result) -> None:
    verifier = FunctionVerifier(lambda problem, response: result, "mine")
    (verdict,) = verifier.verify_batch([None], [""])  # type: ignore[list-item]
    assert verdict.reason is Reason.ERROR
    assert verdict.detail.startswith("mine ")
    assert len(verdict.detail) > 20
