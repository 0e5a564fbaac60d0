"""`code_of`: hashes of the code and the constants that an object's behaviour depends on.

A stored run is only resumed if the agent, the verifier, the prompts and the environment class
still have the code that its episodes were played with. What counts:

- A function of the user: its bytecode (comments and formatting don't matter), its defaults, the
  values in its closure, and what it refers to by a global name: other functions, classes,
  constants, and the files of imported modules that belong to no installed package.
- An object: its class and its attributes: constants, arrays, functions, objects of the user's
  classes, and collections of these. Values such as clients, locks and tensors count by the
  version of their package only.
- What an object remembers is no part of it: variables and attributes that its code assigns, such
  as a counter, and collections that its methods change, such as a cache.
- Code of an installed package: its name and version. Code of this project: the files of the
  folder that it is in.
"""

from __future__ import annotations

import dis
import functools
import hashlib
import importlib.metadata
import sys
import sysconfig
from collections.abc import (
    Callable,
    Iterator,
    Mapping,
    MutableMapping,
    MutableSequence,
    MutableSet,
)
from enum import Enum
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

_OWN = ("selfcorrect_env", "selfcorrect_agents")
_INSTALLED = tuple(
    str(Path(sysconfig.get_paths()[name]).resolve()) for name in ("stdlib", "purelib", "platlib")
)
_CONTAINERS = (MutableMapping, MutableSequence, MutableSet)

_CHANGING = {
    "add",
    "append",
    "appendleft",
    "clear",
    "discard",
    "extend",
    "extendleft",
    "insert",
    "pop",
    "popitem",
    "popleft",
    "remove",
    "setdefault",
    "update",
    "move_to_end",
}
_BLOCK = 1 << 22
_DEEPEST = 20


def code_of(thing: object) -> dict[str, str]:
    """Return name -> hash of each part that ``thing`` behaves by (see the module's docstring).

    The same object gives the same hashes in another process of the same Python version.
    """
    parts: dict[str, str] = {}
    _Walk(parts).visit(thing, "")
    return parts


def hash_of_files(path: str | Path) -> str:
    """Return 16 hex digits of the SHA-256 of a file, or of the files of a folder with their names.

    Raises:
        OSError: a file cannot be read.
    """
    path, digest = Path(path), hashlib.sha256()
    files = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
    for file in files:
        digest.update(f"{file.name}\n{file.stat().st_size}\n".encode())
        with file.open("rb") as content:
            while block := content.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()[:16]


class _Walk:
    """Visits an object and what it refers to, each part once."""

    def __init__(self, parts: dict[str, str]) -> None:
        self._parts = parts
        self._seen: dict[int, object] = {}  # holds the objects, so that no id is used twice

    def visit(self, value: object, name: str) -> None:
        """Add the parts of ``value``, which its owner calls ``name``."""
        constant = _constant(value)
        if constant is not None:
            self._add(name or type(value).__name__, constant)
            return
        if id(value) in self._seen:
            return
        self._seen[id(value)] = value
        if isinstance(value, MethodType):
            self.visit(value.__func__, name)
            self.visit(value.__self__, name)
        elif isinstance(value, functools.partial):
            for part in (value.func, *value.args, *value.keywords.values()):
                self.visit(part, name)
        elif isinstance(value, FunctionType):
            self._function(value)
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, ModuleType):
            self._module(value)
        elif isinstance(value, Mapping):
            for key, item in value.items():
                self.visit(item, f"{name}[{key!r}]")
        elif isinstance(value, list | tuple | set | frozenset):
            for index, item in enumerate(value):
                self.visit(item, f"{name}[{index}]")
        elif callable(getattr(value, "__wrapped__", None)):  # functools.lru_cache
            self.visit(value.__wrapped__, name)  # type: ignore[attr-defined]
        else:
            self._object(value, name)

    def _add(self, name: str, text: str) -> None:
        """Add the hash of a part; parts of the same name, such as two lambdas, share one."""
        self._parts[name] = _hash(self._parts.get(name, "") + text)

    def _function(self, function: FunctionType) -> None:
        if self._known_otherwise(function.__module__):
            return
        name = f"{function.__module__}.{function.__qualname__}"
        self._add(name, _code_text(function.__code__))
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        assigned, filled = _assigned(function.__code__), _filled(function.__code__)

        def counts(key: str, value: Any) -> bool:
            return not (key in filled and isinstance(value, _CONTAINERS))  # it remembers there

        values: dict[str, Any] = {}
        for key, cell in cells.items():
            if counts(key, content := _content(cell)):
                values[f"{name}.{key}"] = content
        defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
        values |= {f"{name}, default {i}": value for i, value in enumerate(defaults)}
        known = function.__globals__
        for key in sorted(_global_names(function.__code__) - assigned):
            if key in known and counts(key, known[key]):
                values[f"{function.__module__}.{key}"] = known[key]
        for key, value in values.items():
            self.visit(value, key)

    def _class(self, cls: type) -> None:
        state = _in_methods(cls, _assigned)
        for base in cls.__mro__:
            if base is object or self._known_otherwise(base.__module__):
                continue
            prefix = f"{base.__module__}.{base.__qualname__}"
            self._add(prefix, repr([b.__qualname__ for b in base.__bases__]))
            for key, value in vars(base).items():
                if key in state and not callable(value):
                    continue
                for part in _members(value):
                    if not key.startswith("__") or isinstance(part, FunctionType):
                        self.visit(part, f"{prefix}.{key}")

    def _module(self, module: ModuleType) -> None:
        file = getattr(module, "__file__", None)
        if file is None or self._known_otherwise(module.__name__, note=False):
            return
        self._parts[module.__name__] = hash_of_files(file)
        for value in list(vars(module).values()):
            if isinstance(value, ModuleType):
                self.visit(value, value.__name__)

    def _object(self, value: object, name: str) -> None:
        cls = type(value)
        self.visit(cls, cls.__qualname__)
        if _is_opaque(cls):
            return
        state = _in_methods(cls, _assigned) | _in_methods(cls, _changed)
        ours = cls.__module__.partition(".")[0] in _OWN
        for key, attribute in sorted(_attributes(value).items()):
            code = isinstance(attribute, FunctionType | MethodType | functools.partial | type)
            setting = key not in state
            if ours:  # its other attributes are in the identity by name, or belong to the episode
                setting = setting and not key.startswith("_") and _constant(attribute) is not None
            if code or setting:
                self.visit(attribute, f"{name or cls.__qualname__}.{key}")

    def _known_otherwise(self, module: str, *, note: bool = True) -> bool:
        """Note the version of code that is not the user's; return whether it is not."""
        top = module.partition(".")[0]
        if top in _OWN:
            if note:
                folder = _own_folder(module)
                self._parts[folder.name] = _hash_of_tree(folder)
            return True
        if not _is_installed(module):
            return False
        if note and top not in sys.stdlib_module_names:
            self._parts[top] = _version(top)
        return True


def _attributes(value: object) -> dict[str, Any]:
    slots = [name for cls in type(value).__mro__ for name in _slots(cls) if hasattr(value, name)]
    return {name: getattr(value, name) for name in slots} | getattr(value, "__dict__", {})


def _slots(cls: type) -> tuple[str, ...]:
    slots = vars(cls).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _constant(value: object, depth: int = 0) -> str | None:
    """Return a text that tells a constant, or a collection of constants, from others; else None."""
    if depth > _DEEPEST:  # also a list that contains itself
        return None
    if value is None or isinstance(value, str | bytes | bool | int | float | complex | Enum | Path):
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, np.ndarray | np.generic) and value.dtype != object:
        return f"array {value.dtype.str} {value.shape} {value.tobytes()!r}"
    if isinstance(value, Mapping):
        inner = [(_constant(k, depth + 1), _constant(v, depth + 1)) for k, v in value.items()]
        known = all(key is not None and item is not None for key, item in inner)
        return f"mapping {inner}" if known else None
    if isinstance(value, list | tuple | set | frozenset):
        items = [_constant(item, depth + 1) for item in value]
        if any(item is None for item in items):
            return None
        unordered = isinstance(value, set | frozenset)
        return f"{type(value).__name__} {sorted(map(str, items)) if unordered else items}"
    return None


def _code_text(code: CodeType) -> str:
    """Return what tells bytecode from other bytecode, without names of files or line numbers."""
    constants = [
        _code_text(c) if isinstance(c, CodeType) else _constant(c) or repr(c)
        for c in code.co_consts
    ]
    return repr((code.co_code, constants, code.co_names, code.co_varnames, code.co_flags))


def _global_names(code: CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _global_names(constant)
    return names


def _assigned(code: CodeType) -> set[str]:
    """Return the global names and the attributes that the code assigns."""
    names = {
        str(instruction.argval)
        for instruction in dis.get_instructions(code)
        if instruction.opname in ("STORE_ATTR", "STORE_GLOBAL")
    }
    return names.union(*(_assigned(c) for c in code.co_consts if isinstance(c, CodeType)))


def _in_methods(cls: type, names_in: Callable[[CodeType], set[str]]) -> set[str]:
    """Return what ``names_in`` finds in the methods of a class that run after its construction."""
    return {
        name
        for base in cls.__mro__
        for key, value in vars(base).items()
        if key not in ("__init__", "__new__", "__post_init__")
        for part in _members(value)
        if isinstance(part, FunctionType)
        for name in names_in(part.__code__)
    }


def _changed(code: CodeType) -> set[str]:
    """Return the attributes that code calls ``append`` or the like on, or assigns an item of.

    For an assigned item these are all attributes that its statement reads before.
    """
    found: set[str] = set()
    read: list[str] = []
    for instruction in dis.get_instructions(code):
        name = instruction.opname
        if name in ("LOAD_ATTR", "LOAD_METHOD"):
            method = str(instruction.argval)
            if method in _CHANGING and read:
                found.add(read[-1])
            read.append(method)
        elif name in ("STORE_SUBSCR", "DELETE_SUBSCR"):
            found.update(read)
        if name == "POP_TOP" or name.startswith(("STORE_", "DELETE_", "RETURN_")):
            read.clear()
    return found.union(*(_changed(c) for c in code.co_consts if isinstance(c, CodeType)))


def _filled(code: CodeType) -> set[str]:
    """Return the global and enclosed names that code calls ``append`` or the like on, or assigns
    an item of: what it remembers."""
    found: set[str] = set()
    read: list[str] = []
    for instruction in dis.get_instructions(code):
        name = instruction.opname
        if name in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF"):
            read.append(str(instruction.argval))
        elif name in ("LOAD_ATTR", "LOAD_METHOD") and str(instruction.argval) in _CHANGING:
            found.update(read[-1:])
        elif name in ("STORE_SUBSCR", "DELETE_SUBSCR"):
            found.update(read)
        if name == "POP_TOP" or name.startswith(("STORE_", "DELETE_", "RETURN_")):
            read.clear()
    return found.union(*(_filled(c) for c in code.co_consts if isinstance(c, CodeType)))


def _is_opaque(cls: type) -> bool:
    """Whether an object of this class counts by its class only: one of an installed package."""
    return cls.__module__.partition(".")[0] not in _OWN and (
        cls is not SimpleNamespace and _is_installed(cls.__module__)
    )


def _members(value: object) -> Iterator[object]:
    """Yield the functions of a class's attribute, or the attribute itself."""
    if isinstance(value, staticmethod | classmethod):
        yield value.__func__
    elif isinstance(value, property):
        yield from (part for part in (value.fget, value.fset) if part is not None)
    elif isinstance(value, FunctionType | type) or _constant(value) is not None:
        yield value


def _content(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # a name that is not assigned yet
        return None


@functools.lru_cache(maxsize=256)
def _is_installed(module: str) -> bool:
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top in sys.builtin_module_names:
        return top != "__main__"
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is not None and str(Path(file).resolve()).startswith(_INSTALLED)


def _own_folder(module: str) -> Path:
    """Return the folder below one of our packages that a module is in, or the package's own."""
    package, _, rest = module.partition(".")
    root = Path(str(sys.modules[package].__file__)).parent
    folder = root / rest.partition(".")[0]
    return folder if folder.is_dir() else root


@functools.lru_cache(maxsize=64)
def _hash_of_tree(folder: Path) -> str:
    """Hash the Python files of a folder; of a package's own folder, only those directly in it."""
    files = folder.glob("*.py") if folder.name in _OWN else folder.rglob("*.py")
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return str(getattr(sys.modules.get(package), "__version__", ""))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
