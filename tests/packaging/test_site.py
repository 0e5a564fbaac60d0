"""The documentation site: its API pages have every public name, and its check finds mistakes."""

import ast
import re
from importlib import import_module
from importlib.metadata import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest
from check_site import problems
from site_hooks import entries as described
from site_hooks import link_names, math_fence

ENTRY = re.compile(r"^::: (\S+)$", re.MULTILINE)
PACKAGES = ("selfcorrect_env", "selfcorrect_agents")


def entries(root: Path) -> list[str]:
    """Return the names that the API pages describe."""
    pages = sorted((root / "docs" / "reference" / "api").glob("*.md"))
    return [name for page in pages for name in ENTRY.findall(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_has_an_entry(package: str, root: Path) -> None:
    names = {f"{package}.{name}" for name in import_module(package).__all__} - {
        f"{package}.__version__"
    }
    assert len(names) > 40
    assert names - set(entries(root)) == set()


def public_names(module: str) -> list[str]:
    """Return a module's ``__all__``; an adapter of another library is read, not imported."""
    if not module.startswith("selfcorrect_agents.adapters."):
        return import_module(module).__all__
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    raise AssertionError(f"{module} has no __all__")


def test_the_entries_are_public_names_and_occur_once(root: Path) -> None:
    found = entries(root)
    assert len(set(found)) == len(found)
    for entry in found:
        module, _, name = entry.rpartition(".")
        assert name in public_names(module), entry


def test_the_adapters_have_every_public_name_on_an_api_page(root: Path) -> None:
    adapters = ("selfcorrect_agents.adapters.trl", "selfcorrect_agents.adapters.tinker")
    names = {f"{module}.{name}" for module in adapters for name in public_names(module)}
    assert names
    assert names - set(entries(root)) == set()


def write(site: Path, **pages: str) -> Path:
    for name, body in pages.items():
        (site / f"{name}.html").write_text(f"<html><body>{body}</body></html>", encoding="utf-8")
    return site


def test_a_site_without_mistakes(tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text("")
    site = write(
        tmp_path,
        index='<link rel="stylesheet" href="style.css"><a href="other.html#Δ-here">x</a>'
        '<a href="https://example.org">y</a><a href="#top">z</a><p id="top">Text - with `-`.</p>',
        other='<h2 id="Δ-here">Δ</h2><a href=".">home</a>',
    )
    assert list(problems(site)) == []


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('<a href="none.html">x</a>', "index.html: none.html: no such file in the site"),
        (
            '<a href="../outside.html">x</a>',
            "index.html: ../outside.html: no such file in the site",
        ),
        ('<a href="other.html#b">x</a>', "index.html: other.html#b: no such anchor"),
        ('<a href="#b">x</a>', "index.html: #b: no such anchor"),
        ('<img src="none.png">', "index.html: none.png: no such file in the site"),
        (
            '<script src="https://cdn.example.org/x.js"></script>',
            "index.html: https://cdn.example.org/x.js: is loaded from elsewhere",
        ),
        (
            '<link rel="stylesheet" href="//fonts.example.org/css">',
            "index.html: //fonts.example.org/css: is loaded from elsewhere",
        ),
        ("<p>These:\n- one</p>", "index.html: no list, table or block, but text: '- one'"),
        ("<p>So:\n| a | b |</p>", "index.html: no list, table or block, but text: '| a | b |'"),
    ],
)
def test_a_mistake_is_found(body: str, found: str, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "outside.html").write_text("")
    site = write(tmp_path / "site", index=body, other='<a name="a"></a>')
    assert list(problems(site)) == [found]


def test_equations_become_mathml() -> None:
    written = math_fence(r"\sum_t \beta_t \operatorname{KL}(\pi_\theta \| \pi_{\mathrm{ref}})")
    assert written.startswith("<math")
    assert 'display="block"' in written
    with pytest.raises(ValueError, match="not known"):
        math_fence(r"\nosuchcommand{x}")


LINK = '<autoref identifier="pack.Thing"><code>Thing</code></autoref>'


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>A <code>Thing</code>.</p>", f"<p>A {LINK}.</p>"),
        ("<code>Other</code>, <code>Thing()</code>", "<code>Other</code>, <code>Thing()</code>"),
        (
            '<a href="x"><code>Thing</code></a>, <code>Thing</code>',
            f'<a href="x"><code>Thing</code></a>, {LINK}',
        ),
        ('<h2 id="y"><code>Thing</code></h2>', '<h2 id="y"><code>Thing</code></h2>'),
        ("<pre><code>Thing</code></pre>", "<pre><code>Thing</code></pre>"),
    ],
)
def test_classes_are_linked_where_they_are_no_link_yet(html: str, expected: str) -> None:
    assert link_names(html, {"Thing": "pack.Thing"}) == expected


def test_the_entries_of_classes_are_read() -> None:
    pages = ["::: pack.Thing\n\n::: pack.function\n", "::: pack.CONSTANT\n    options:\n"]
    assert described(pages) == {"Thing": "pack.Thing"}


def test_every_extra_is_on_the_page_of_installation(root: Path) -> None:
    page = (root / "docs" / "start" / "install.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ")]
    shown = {name for row in rows for name in re.findall(r"`([\w-]+)`", row)}
    extras = metadata("selfcorrect-env").get_all("Provides-Extra") or []
    assert shown == set(extras)
