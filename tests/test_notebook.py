"""The notebook runs from the first to the last cell on a small classified scan, and draws figures."""

from pathlib import Path

import nbformat
import tiny_results
from ipykernel.kernelspec import install
from nbclient import NotebookClient

from raypipe import store

NOTEBOOK = Path(__file__).parent.parent / "examples" / "phase_diagram.ipynb"


def test_from_the_catalogue_to_a_phase_diagram(tmp_path, monkeypatch):
    said = tiny_results.scan_predictions(150)
    fields = tiny_results.patterns(said.sizes["sample"], frames=1)
    made = {name: said[name] for name in ("k", "f", "seed", "label")}
    tiny_results.write("gray_scott/scan", fields.assign_coords(made))
    of = {"network": "shipped/pattern-2d-second", "source": "gray_scott/scan"}
    tiny_results.write("predictions/shipped/pattern-2d-second/scan", said, **of)
    for name in store.list_names():
        store.mark(name, hosts=1)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share/jupyter"))
    install(prefix=str(tmp_path))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "kept without results"
    NotebookClient(notebook, timeout=120).execute()
    outputs = [one for cell in notebook.cells for one in cell.get("outputs", [])]
    assert sum("image/png" in one.get("data", {}) for one in outputs) == 2
    printed = "".join(one.get("text", "") for one in outputs)
    assert "gray_scott/scan" in printed
    count = said.sizes["sample"]
    assert f"alpha    {-(-count // 16) / count:6.1%}" in printed
