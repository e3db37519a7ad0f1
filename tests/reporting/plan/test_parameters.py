"""Parameters are checked before anything runs."""

import pytest

import metanet as mn
from metanet.reporting.files import analyses_folder
from metanet.reporting.plan.jobs import check_parameters, known_parameters


def test_a_misspelt_parameter_is_refused_with_the_nearest():
    with pytest.raises(mn.ArgumentError, match=r"'overlp' is not known.*Did you mean 'overlap'"):
        mn.report("objective_response", "TARE", out="never", parameters={"overlp": "keep_all"})


def test_a_parameter_that_the_batch_sets_is_refused():
    with pytest.raises(mn.ArgumentError, match="'output_dir' is set by the report itself"):
        mn.report(parameters={"output_dir": "/tmp"}, out="never")


def test_words_of_a_command_line_become_numbers_and_truth_values(notebook):
    book = notebook("pass")
    assert check_parameters(book, {"number": "3", "flag": "false", "word": "b"}) == {"number": 3, "flag": False, "word": "b"}


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"number": "x"}, "must be a number"),
        ({"number": True}, "must be a number"),
        ({"flag": "maybe"}, "must be true or false"),
        ({"word": 3}, "must be a text"),
        ({"nothing": [1]}, "must be a text, a number or None"),
    ],
)
def test_a_value_of_another_type_is_refused(notebook, parameters, words):
    with pytest.raises(mn.ArgumentError, match=words):
        check_parameters(notebook("pass"), parameters)


def test_defaults_are_read_and_never_run(tmp_path, notebook):
    import nbformat

    book = nbformat.read(notebook("pass"), as_version=4)
    book.cells[0].source = "x = __import__('os').getcwd()"
    nbformat.write(book, tmp_path / "hostile.ipynb")
    with pytest.raises(mn.ArgumentError, match="only names with plain values"):
        known_parameters(tmp_path / "hostile.ipynb")


@pytest.mark.parametrize("name", sorted(path.name for path in analyses_folder().glob("*.ipynb")))
def test_the_notebooks_are_thin_and_without_outputs(name):
    import ast

    import nbformat

    book = nbformat.read(analyses_folder() / name, as_version=4)
    assert "output_dir" in known_parameters(analyses_folder() / name)
    for cell in book.cells:
        if cell.cell_type != "code":
            continue
        assert not cell.outputs
        assert cell.execution_count is None
        code = "\n".join(line for line in cell.source.splitlines() if not line.startswith("%"))
        for node in ast.walk(ast.parse(code)):
            # Public names only, and no arithmetic: what a notebook shows is computed where it is tested.
            assert not isinstance(node, ast.BinOp), cell.source
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "mn":
                assert node.attr in mn.__all__
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert [alias.name for alias in node.names] == ["metanet"]
