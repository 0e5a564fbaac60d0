import subprocess
import sys

import pytest

from selfcorrect_env.errors import ProblemSetError, UnknownNameError
from selfcorrect_env.problems import ProblemSet
from selfcorrect_env.problems.sources import SOURCES, Source, load_problems, source
from selfcorrect_env.prompts import PROMPTS


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A real distribution on the path, with entry points of every kind."""
    (tmp_path / "their_sets.py").write_text(
        "from selfcorrect_env.problems.sources import Source\n"
        "from selfcorrect_env.problems import ProblemSet\n"
        "def sums(split, *, size=2):\n"
        "    '''Small sums.\n\n    More text.'''\n"
        "    rows = [{'prompt': f'{i} + 1', 'reference': i + 1} for i in range(size)]\n"
        "    return ProblemSet.from_records(rows, name='sums', split=split)\n"
        "named = Source(sums, verifier='math', prompts='math', summary='Named.')\n"
        "number = 3\n"
    )
    info = tmp_path / "their_sets-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-sets\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[selfcorrect_env.problems]\n"
        "their-sums = their_sets:sums\n"
        "their-named = their_sets:named\n"
        "their-number = their_sets:number\n"
        "their-missing = their_sets:missing\n"
        "arithmetic = their_sets:sums\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("their_sets", None)


def test_the_table():
    assert set(SOURCES) >= {"arithmetic", "gsm8k", "math", "hendrycks", "procedural", "mbpp"}
    for name, entry in SOURCES.items():
        assert callable(entry.function)
        assert entry.summary
        assert entry.prompts in PROMPTS
        assert source(name) is entry


def test_unknown_names_and_options():
    with pytest.raises(UnknownNameError, match="Did you mean 'arithmetic'"):
        load_problems("aritmetic")
    with pytest.raises(
        TypeError, match="no option 'sise'; it has size, operations, multiply, seed"
    ):
        load_problems("arithmetic", sise=3)


@pytest.mark.parametrize("name", ["arithmetic", "gsm8k", "math", "hendrycks", "procedural"])
def test_unknown_splits(name):
    with pytest.raises(UnknownNameError, match="Known: test, train"):
        load_problems(name, split="tets")


@pytest.mark.usefixtures("plugin")
def test_entry_points():
    problems = load_problems("their-sums", split="train", size=3)
    assert [p.reference for p in problems] == ["1", "2", "3"]
    assert problems.split == "train"
    found = source("their-sums")
    assert (found.verifier, found.prompts, found.summary) == (None, None, "Small sums.")
    assert source("their-named").verifier == "math"
    assert source("arithmetic") is SOURCES["arithmetic"]
    with pytest.raises(TypeError, match="it has size"):
        load_problems("their-sums", seed=3)
    with pytest.raises(ProblemSetError, match="must be a Source or a function"):
        source("their-number")
    with pytest.raises(ProblemSetError, match="cannot be imported"):
        source("their-missing")
    with pytest.raises(UnknownNameError, match="their-named"):
        source("nobody")


def test_a_function_that_takes_any_option_gets_them_all():
    def anything(split: str, **options: object) -> ProblemSet:
        return ProblemSet.from_records([{"prompt": str(options), "reference": 1}], split=split)

    assert anything("test", a=1)[0].prompt == Source(anything).function("test", a=1)[0].prompt


def test_listing_the_sets_imports_nothing_heavy():
    code = (
        "import sys, selfcorrect_env.problems.sources as d; d.load_problems('arithmetic', size=5)\n"
        "import selfcorrect_env.problems.math, selfcorrect_env.problems.gsm8k\n"
        "heavy = {'sympy', 'datasets', 'pyarrow', 'huggingface_hub', 'torch'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
