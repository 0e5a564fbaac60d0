"""missing_packages: what an import would lack, found without importing."""

import sys

import pytest

from selfcorrect_env.evaluation.missing_packages import Sources, missing_packages


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "lacking"
    folder.mkdir()
    (folder / "__init__.py").write_text("import json\n")
    (folder / "light.py").write_text("import os\ndef later():\n    import no_such_package\n")
    (folder / "heavy.py").write_text("from .base import Base\nfrom lacking import light\n")
    (folder / "base.py").write_text("import no_such_package.part\nfrom other_lack import x\n")
    (folder / "broken.py").write_text("def (")
    return "lacking"


@pytest.mark.parametrize(
    ("module", "missing"),
    [
        ("light", []),
        ("heavy", ["no_such_package", "other_lack"]),
        ("base", ["no_such_package", "other_lack"]),
        ("broken", []),
        ("nowhere", []),
    ],
)
def test_missing_packages_are_found_through_the_imports(package, module, missing):
    assert missing_packages(f"{package}.{module}") == missing
    assert package not in sys.modules


def test_a_source_is_read_once(package, tmp_path):
    sources = Sources()
    assert sources.missing_packages(f"{package}.heavy") == ["no_such_package", "other_lack"]
    (tmp_path / "lacking" / "base.py").unlink()
    assert sources.missing_packages(f"{package}.heavy") == ["no_such_package", "other_lack"]
    assert missing_packages(f"{package}.heavy") == []


def test_a_package_that_is_not_there_is_missing_itself():
    assert missing_packages("no_such_package.agents") == ["no_such_package"]
