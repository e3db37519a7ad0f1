"""The rooms of the package: none knows a later one, by import or by name, and each says what is in it."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "metanet"
LAYERS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"][0]["layers"]
#: Rank of each room, the lowest first; rooms on one line do not know each other.
RANK = {room.strip(): rank for rank, line in enumerate(reversed(LAYERS)) for room in line.split(":")}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(module):
    return next((room for room in RANK if module == room or module.startswith(f"{room}.")), None)


def literals(tree):
    """Strings that are no documentation."""
    documented = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            yield node.value


def test_no_string_names_a_later_room():
    found = []
    for file in FILES:
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        own = room_of(module)
        if own is None:
            continue
        for text in literals(ast.parse(file.read_text(encoding="utf-8"))):
            other = room_of(text.split(":")[0]) if text.startswith("metanet.") else None
            if other is not None and other != own and RANK[other] >= RANK[own]:
                found.append((module, text))
    assert not found


@pytest.mark.parametrize("folder", sorted({file.parent for file in FILES}), ids=lambda folder: folder.name)
def test_every_folder_says_in_a_sentence_what_is_in_it(folder):
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    assert text
    assert text.splitlines()[0].endswith(".")
    assert len(text.splitlines()[0]) > 20


def graph():
    """What every file imports, wherever the import stands, annotations aside."""
    names = {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in FILES}
    edges = {}
    for module, file in names.items():
        tree = ast.parse(file.read_text(encoding="utf-8"))
        typing = {
            id(node)
            for block in ast.walk(tree)
            if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
            for node in ast.walk(block)
        }
        edges[module] = {
            full if (full := f"{node.module}.{alias.name}") in names else node.module
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and id(node) not in typing and (node.module or "").startswith("metanet")
            for alias in node.names
        } - {module, "metanet"}
    edges.pop("metanet")
    return edges


def test_no_circle_of_imports_among_files():
    edges = graph()
    while leaves := [module for module, others in edges.items() if not others & set(edges)]:
        for module in leaves:
            del edges[module]
    # What is left lies on a circle, or leads to one.
    assert not edges


def test_no_file_is_longer_than_a_subject():
    longest = max(FILES, key=lambda file: len(file.read_text(encoding="utf-8").splitlines()))
    assert len(longest.read_text(encoding="utf-8").splitlines()) <= 700, longest
