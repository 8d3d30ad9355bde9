"""The notebooks: one per tab, tiny as they lie here, and right when they are run."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import app

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
PATIENCE = 120  # s that a cell may take on a busy machine
LARGEST = 20_000  # bytes

# What is looked at in each notebook once it has run, and what it has to be.
RESULTS = {
    # FashionCNN's fully connected layers: 2304·600 + 600, 600·120 + 120, 120·10 + 10.
    "sketch": ("in_linear", "1456330"),
    # The temperature that its logits had been multiplied by.
    "cats_dogs": ("f'{answers[0].name} {found:.1f}'", "cat 2.5"),
    "feature_maps": ("network.classes[int(scores.argmax())], abs(by_hand - float(maps[k, i, j])) < 1e-4", "cat True"),
    # AlexNet of torchvision at 224 px: 70,470,400 + 224,985,600 + 112,140,288 + 149,520,384 + 99,680,256 of its
    # convolutions, and 9216·4096 + 4096·4096 + 4096·1000.
    "model_zoo": ("works['alexnet'].multiply_adds, by_hand == counted", "714188480 True"),
    # Araujo et al., 2019, and their table for TF-Slim; torchvision's ResNet-50 strides earlier in a stage.
    "receptive_field": ("largest['alexnet'], largest['resnet_v1_50'], largest['resnet50']", "195 483 427"),
}

every_notebook = pytest.mark.parametrize("name", [tab.NAME for tab in app.TABS])


def read(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def test_each_tab_has_a_notebook():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == {tab.NAME for tab in app.TABS}


@every_notebook
def test_as_it_lies_here_it_is_tiny_and_well_formed(name):
    notebook = read(name)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert 6 <= len(notebook.cells) <= 12
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert "assert" in code[-1].source
    assert (FOLDER / f"{name}.ipynb").stat().st_size < LARGEST
    assert any("$$" in cell.source for cell in notebook.cells if cell.cell_type == "markdown")


@every_notebook
def test_it_runs_without_a_network_and_is_right(name, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for variable in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):  # nothing of the user's own, and nothing left behind
        monkeypatch.setenv(variable, str(tmp_path))
    for variable in ("CONVLENS_DATA", "PYTHONPATH"):  # whoever reads it has no data, and nothing set up
        monkeypatch.delenv(variable, raising=False)
    notebook = read(name)
    expression, wanted = RESULTS[name]
    asked = nbformat.v4.new_code_cell(f"print({expression})")
    notebook.cells.append(asked)
    NotebookClient(notebook, timeout=PATIENCE, resources={"metadata": {"path": str(FOLDER)}}).execute()
    assert asked.outputs[0]["text"].strip() == wanted
    shown = [each.get("data", {}) for cell in notebook.cells for each in cell.get("outputs", ())]
    assert sum("image/png" in each for each in shown) >= 2
