"""The notebooks: kept without results, opened on Colab by one install, run from top to bottom at a small size."""

from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))

# What takes the place of the values in the cell that is marked "parameters".
SMALL = {
    "generate": "NUM_FRAMES, LONG = 9, 37",
    "tokenizer": "CLIPS = 8",
    "own_arrays": "TOKENIZER_STEPS, LM_STEPS, CLIPS = 4, 4, 16",
    "train_tiny": "TOKENIZER_STEPS, CLIPS, LM_STEPS = 4, 16, 4",
    "world": "EPISODES, TOKENIZER_STEPS, LM_STEPS = 16, 4, 4",
}


def is_parameters(cell) -> bool:
    return "parameters" in cell.metadata.get("tags", [])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_results_and_installs_once(path):
    cells = nbformat.validate(notebook := nbformat.read(path, as_version=4)) or notebook.cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert ["%pip" in cell.source for cell in code] == [True] + [False] * (len(code) - 1)
    assert sum(is_parameters(cell) for cell in code) == 1
    assert notebook.cells[0].source.startswith("# ")


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path, tmp_path):
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if is_parameters(cell):
            cell.source = SMALL[path.stem]
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any(
        "video/mp4" in str(output.get("data", "")) or "<video" in str(output.get("data", "")) for output in shown
    )
    assert not [output for output in shown if output.output_type == "error"]
