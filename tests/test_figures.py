"""The job that draws single figures for a paper."""

from pathlib import Path

import matplotlib
import pytest
from matplotlib.colors import to_hex
from PIL import Image
from test_queries import SCANS

from raypipe import catalog
from raypipe.command import call
from raypipe.errors import InputError
from raypipe.jobs import plot

GRID = str(Path(__file__).parent.parent / "results" / "andi_grid.csv")
STARTS = {".pdf": b"%PDF", ".svg": b"<?xml", ".png": b"\x89PNG"}


@pytest.mark.parametrize(
    ("what", "name", "ending"),
    [
        ("history", "shipped/andi-study", ".pdf"),
        ("confusion", "predictions/shipped/andi-study/train-own", ".svg"),
        ("phase-diagram", SCANS[1], ".pdf"),
        ("montage", SCANS[1], ".png"),
        ("class-gallery", "gray_scott/train", ".pdf"),
        ("grid", GRID, ".pdf"),
    ],
)
def test_a_figure_is_a_file_of_its_kind(data, tmp_path, what, name, ending):
    file = tmp_path / f"figure{ending}"
    call(plot.main, [what, name, "--output", str(file)])
    assert file.read_bytes().startswith(STARTS[ending])
    assert file.stat().st_size > 5000
    if ending == ".png":
        assert Image.open(file).info["dpi"][0] == pytest.approx(300, abs=1)


def test_what_is_set_is_drawn(data, tmp_path):
    scan = catalog.open(SCANS[1])
    patterned = sorted(set(scan["class"].values[scan["predicted"].values]) - {"l", "h"})
    drawn = set()
    for name in patterned[:2]:
        file = tmp_path / f"{name}.svg"
        call(plot.main, ["montage", SCANS[1], "--set", f"montage_class={name}", "-o", str(file)])
        drawn.add(file.read_text().partition("<defs>")[2])
    assert len(drawn) == 2


def test_classes_get_the_colours_of_a_map(data, tmp_path):
    both = {}
    for name in ("", "tab20"):
        file = tmp_path / f"colours{name}.svg"
        call(plot.main, ["phase-diagram", SCANS[1], *(["--set", f"colours={name}"] if name else []), "-o", str(file)])
        both[name] = file.read_text()
    last = to_hex(matplotlib.colormaps["tab20"](15))  # of h, the last of the 16 classes
    assert last in both["tab20"]
    assert last not in both[""]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["phase-diagram", SCANS[1], "--set", "colours=tab21"], "unknown colour map 'tab21'"),
        (["phases", SCANS[1]], f"no figure phases of {SCANS[1]}; there are history, confusion, grid, phase-diagram"),
        (["montage", "predictions/none/scan"], "unknown data set 'predictions/none/scan'"),
        (
            ["montage", SCANS[1], "--set", "colour=red"],
            "colour is not a setting of this picture; possible: montage_",
        ),
        (["history", "shipped/andi-study", "--set", "colour=red"], "colour for history, which has no settings"),
        (["montage", SCANS[1], "--output", "x.gif"], "unknown file ending '.gif'"),
        (["grid", "none.csv"], "cannot read none.csv as a table"),
    ],
)
def test_mistakes_are_told(data, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        call(plot.main, arguments)
    assert not list(tmp_path.iterdir())
