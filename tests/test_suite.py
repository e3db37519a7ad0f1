"""The suite itself: no test reads a clock, for on a machine that does other things seconds say nothing about the code."""

import ast
import re

from .conftest import LONGEST, SLOW, SLOW_TESTS, TESTS

CLOCKS = {
    "clock_gettime", "monotonic", "perf_counter", "process_time", "thread_time", "time", "times", "default_timer", "repeat",
    "getrusage", "now", "utcnow",
}  # fmt: skip
MODULES = {"time", "timeit", "os", "resource", "datetime"}


def clocks_read(source: str) -> list[int]:
    """The lines that call a clock, by its module or by a name imported from it."""
    tree = ast.parse(source)
    given = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in MODULES
        for alias in node.names
        if alias.name.removesuffix("_ns") in CLOCKS
    }
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in given:
                found.append(node.lineno)
            case ast.Call(func=ast.Attribute(attr=name, value=ast.Name(id=module) | ast.Attribute(attr=module))):
                if module in MODULES and name.removesuffix("_ns") in CLOCKS:
                    found.append(node.lineno)
    return found


def test_no_test_reads_a_clock():
    found = {
        f"{path.relative_to(TESTS)}:{line}"
        for path in sorted(TESTS.rglob("*.py"))
        for line in clocks_read(path.read_text(encoding="utf-8"))
    }
    assert not found, "tests.work counts calls and memory, and waits without a clock"


def test_every_way_to_a_clock_is_known():
    for source in (
        "import time\ntime.perf_counter()",
        "import time\ntime.monotonic_ns()",
        "from time import time\ntime()",
        "from time import process_time as p\np()",
        "import os\nos.times()",
        "import datetime\ndatetime.datetime.now()",
        "import timeit\ntimeit.repeat('x')",
        "import resource\nresource.getrusage(0)",
    ):
        assert clocks_read(source), source
    assert not clocks_read("import time\ntime.sleep(1)\nlist.repeat()")


def test_files_that_run_first_exist_and_stand_once():
    assert len({*LONGEST, *SLOW}) == len(LONGEST) + len(SLOW)
    assert [name for name in (*LONGEST, *SLOW) if not (TESTS / name).is_file()] == []
    single = [each.split("::") for each in SLOW_TESTS]
    assert [each for each in single if f"def {each[1]}(" not in (TESTS / each[0]).read_text(encoding="utf-8")] == []
    assert not {file for file, _ in single} & {*LONGEST, *SLOW}


def test_what_is_said_to_be_run_is_there():
    found = set()
    for path in (*TESTS.rglob("*.py"), *TESTS.rglob("*.md"), *TESTS.parent.glob("*.md"), *(TESTS.parent / "docs").glob("*.md")):
        found |= set(re.findall(r"python -m (tests(?:\.\w+)+)", path.read_text(encoding="utf-8")))
    assert len(found) > 4
    assert [name for name in sorted(found) if not (TESTS.parent / f"{name.replace('.', '/')}.py").is_file()] == []
