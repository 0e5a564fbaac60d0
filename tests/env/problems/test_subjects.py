import pytest

from selfcorrect_env.errors import ProblemSetError, UnknownNameError
from selfcorrect_env.problems import ProblemSet
from selfcorrect_env.problems.subjects import SUBJECTS, check_levels, find_subject, select

ROWS = [
    {"prompt": "x", "reference": "y", "subject": subject, "level": level}
    for subject in (*SUBJECTS, None)
    for level in (1, 2, 3, 4, 5, None)
]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_subjects_are_found_in_any_spelling(subject):
    file_name = subject.lower().replace("&", "and").replace(" ", "_")
    for spelling in (subject, subject.upper(), file_name, file_name.replace("_", "")):
        assert find_subject(spelling) == subject


def test_unknown_subjects_and_levels():
    with pytest.raises(UnknownNameError, match="Did you mean 'Geometry'"):
        find_subject("Geomtry")
    for level in (0, 6, "3", 2.5, True, [1, 9]):
        with pytest.raises(ProblemSetError, match="an integer from 1 to 5"):
            check_levels(level)


def test_selecting():
    problems = ProblemSet.from_records(ROWS)
    assert select(problems) is problems
    assert len(select(problems, "algebra")) == 6
    assert len(select(problems, ["algebra", "Geometry"], level=(4, 5))) == 4
    assert {p.metadata["level"] for p in select(problems, level=iter([2]))} == {2}
    with pytest.raises(ProblemSetError, match="empty"):
        select(problems, [])
