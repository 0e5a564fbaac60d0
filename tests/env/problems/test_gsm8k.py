import json
import warnings
from pathlib import Path

import pytest

from selfcorrect_env.errors import ProblemSetError, ProblemSetWarning
from selfcorrect_env.problems.gsm8k import VARIABLE, final_answer
from selfcorrect_env.problems.sources import load_problems

DATA = Path(__file__).parents[4] / "shared" / "data"
real = pytest.mark.skipif(not DATA.is_dir(), reason="the real GSM8K is not beside this repository")
ROW = {"question": "How many?", "answer": "Six times 200 = <<6*200=1200>>1200\n#### 1,200"}


@pytest.fixture(autouse=True)
def _nothing_cached(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_DATASETS_CACHE", raising=False)
    monkeypatch.delenv(VARIABLE, raising=False)


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_reference_is_what_stands_after_the_hashes(tmp_path):
    with pytest.warns(ProblemSetWarning, match=r"published with 1,319 problems, but .* gave 1"):
        problems = load_problems("gsm8k", path=write(tmp_path / "a.jsonl", ROW))
    assert (problems.name, problems.split) == ("GSM8K", "test")
    assert (problems[0].prompt, problems[0].reference) == ("How many?", "1200")
    assert problems[0].metadata["answer"] == ROW["answer"]


@pytest.mark.parametrize("answer", ["6", "", "#### ", "six ####\n", None, 6])
def test_rows_without_a_final_answer_are_named(tmp_path, answer):
    path = write(tmp_path / "a.jsonl", ROW, {**ROW, "answer": answer})
    with pytest.raises(ProblemSetError, match=r"a\.jsonl, line 2: .*'reference'"):
        load_problems("gsm8k", path=path)
    with pytest.raises(ValueError, match="answer"):
        final_answer({"answer": answer})


def test_the_variable_names_it_and_the_path_goes_before(tmp_path, monkeypatch):
    given, other = write(tmp_path / "a.jsonl", ROW), write(tmp_path / "b.jsonl", ROW, ROW)
    monkeypatch.setenv(VARIABLE, str(given))
    with pytest.warns(ProblemSetWarning):
        assert len(load_problems("gsm8k")) == 1
    with pytest.warns(ProblemSetWarning):
        assert len(load_problems("gsm8k", path=str(other))) == 2
    monkeypatch.setenv(VARIABLE, str(tmp_path / "no.jsonl"))
    with pytest.raises(ProblemSetError, match=f"named by the environment variable {VARIABLE}"):
        load_problems("gsm8k")


def test_a_folder_has_a_file_for_each_split(tmp_path):
    write(tmp_path / "train.jsonl", ROW)
    write(tmp_path / "train_socratic.jsonl", ROW, ROW)
    write(tmp_path / "latest.jsonl", ROW)
    with pytest.warns(ProblemSetWarning, match="7,473"):
        assert len(load_problems("gsm8k", split="train", path=tmp_path)) == 1
    with pytest.raises(ProblemSetError, match=r"no file whose name says 'test'.*latest\.jsonl"):
        load_problems("gsm8k", path=tmp_path)
    write(tmp_path / "gsm8k_test.jsonl", ROW)
    write(tmp_path / "test-00000-of-00001.jsonl", ROW)
    with pytest.raises(ProblemSetError, match="several files whose names say 'test'"):
        load_problems("gsm8k", path=tmp_path)


def test_without_data_the_error_names_the_ways():
    with pytest.raises(
        ProblemSetError, match=r"selfcorrect-env\[data\].*path=.*SELFCORRECT_GSM8K_"
    ):
        load_problems("gsm8k")


@real
@pytest.mark.parametrize(
    ("split", "size", "reference"), [("test", 1_319, "18"), ("train", 7_473, "72")]
)
def test_the_real_files(split, size, reference):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        problems = load_problems("gsm8k", split=split, path=DATA)
    assert len(problems) == size
    assert problems[0].reference == reference
    assert all(float(p.reference) == float(p.reference.replace(",", "")) for p in problems)
