"""The report: each section shows its data or the job that creates them, all in one self-contained file."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import tiny_results
import xarray as xr
from matplotlib.colors import to_hex, to_rgb
from PIL import Image
from tiny_networks import blank_weights
from tiny_results import write
from without_ray import job as job_of

from jobs import report as job
from raypipe import catalog, store
from raypipe.command import run
from raypipe.errors import InputError
from raypipe.networks import artifact, calibration
from raypipe.networks.artifact import Artifact
from raypipe.plot.classes import symbol
from raypipe.report import build as report
from raypipe.report import scan as of_scan
from raypipe.store import documents, objects
from raypipe.studies.andi import diffusion
from raypipe.studies.gray_scott import pictures, tables
from raypipe.studies.gray_scott.colours import CLASS_COLOURS
from raypipe.studies.gray_scott.pictures import parts
from raypipe.study import architecture

OF_PATTERNS = (
    "patterns",
    "saliency",
    "phase-diagram",
    "confidence",
    "disagreement",
    "refined-phase-diagram",
    "montage",
    "novelty",
)
SECTIONS = ("summary", "evaluation", "relevance", *OF_PATTERNS, "networks", "provenance")


class Page(HTMLParser):
    """Parser of a report: text of each section, pictures by caption, cells of pictures, and all addresses."""

    def __init__(self, path):
        super().__init__()
        self.sections, self.pictures, self.cells, self.addresses, self.open = {}, {}, [], [], []
        self.feed(path.read_text())
        assert self.open == [], "an element is not closed"

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag not in ("meta", "img"):
            self.open.append((tag, given))
        self.addresses += [given[key] for key in ("src", "href") if key in given]
        if tag == "section":
            self.sections[given["id"]] = ""
        if tag == "img":
            self.pictures[given["alt"]] = base64.b64decode(given["src"].removeprefix("data:image/png;base64,"))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag
        self.handle_data(" ")

    def handle_data(self, data):
        tag, given = self.open[-1] if self.open else ("", {})
        if tag == "script" and "type" in given:
            self.cells.append(json.loads(data))
        elif any(tag == "section" for tag, _ in self.open):
            self.sections[list(self.sections)[-1]] += data


def build(tmp_path, **settings):
    return Page(report.build(tmp_path / "report", settings))


def trained(name, accuracy=0.5, seconds=12.4):
    history = {key: [0.1, accuracy] for key in ("loss", "accuracy", "val_loss", "val_accuracy")}
    weights = blank_weights(architecture(name), 18_465)
    provenance = {"seconds": seconds, "made_from": {"seed": 7}}
    artifact.save(Artifact(architecture(name), weights, history, {"val_accuracy": accuracy}, provenance))


def scan(every):
    """Write the thinned scan and the predictions of a network for it."""
    said = tiny_results.scan_predictions(every)
    fields = tiny_results.patterns(said.sizes["sample"], frames=1)
    write("gray_scott/scan", fields.assign_coords({name: said[name] for name in ("k", "f", "seed", "label")}))
    write("predictions/pattern-2d-second/scan", said)
    return said


def test_without_any_data_there_is_no_report(tmp_path):
    with pytest.raises(InputError, match="there are no data sets"):
        report.build(tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_a_section_without_data_says_which_job_makes_them(tmp_path):
    write("gray_scott/val", tiny_results.patterns(3))
    write("andi/test", tiny_results.trajectories(10)[["position"]])
    page = build(tmp_path)
    assert tuple(page.sections) == SECTIONS
    for section, command in {
        "evaluation": "raypipe evaluate",
        "relevance": "raypipe explain --network andi-study",
        "saliency": "raypipe explain --network pattern-2d",
        "phase-diagram": "raypipe classify_scan",
        "confidence": "raypipe classify_scan",
        "disagreement": "raypipe classify_scan",
        "refined-phase-diagram": "raypipe refine_scan",
        "montage": "raypipe generate_scan",
        "novelty": "raypipe find_novel --network pattern-2d",
        "patterns": "raypipe generate_patterns --split train",
        "networks": "raypipe train_network --network andi-study",
    }.items():
        assert command in page.sections[section]
    assert not page.pictures


def test_every_section_is_drawn_and_the_page_needs_no_other_file(tmp_path):
    trained("andi-study")
    write("predictions/andi-study/test", tiny_results.predictions(diffusion.ANDI_MODELS, 10))
    write("relevance/andi-study/test", tiny_results.trajectories())
    write("saliency/pattern-2d/test", tiny_results.saliency())
    scan(every=200)
    made_with = {"network": "pattern-2d-second", "source": "gray_scott/scan", "axes": ["k", "f"]}
    write("refined/pattern-2d-second/scan/first-000006", tiny_results.refined(), **made_with)
    page = build(tmp_path)
    captions = "\n".join(page.pictures)
    for start in (
        "Confusion matrix",
        "Loss and accuracy",
        "One trajectory",
        "One pattern",
        "The class at",
        "How uncertain",
        "All 2",
    ):
        assert start in captions
    assert "python jobs" not in "".join(page.sections[section] for section in SECTIONS if section != "patterns")
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert "url(" not in (tmp_path / "report" / "index.html").read_text()
    files = {path.name: path.read_bytes() for path in (tmp_path / "report").glob("*.png")}
    assert sorted(files.values()) == sorted(page.pictures.values())
    assert sorted(files) == [
        "confidence-pattern-2d-second.png",
        "confusion-andi-study-test.png",
        "montage-pattern-2d-second-alpha.png",
        "phase-diagram-pattern-2d-second.png",
        "refined-pattern-2d-second-6.png",
        "relevance-andi-study-test.png",
        "saliency-pattern-2d-test.png",
        "training-andi-study.png",
    ]


def test_summary_counts_complete_data_sets_and_says_what_others_lack(tmp_path):
    write("andi/test", tiny_results.trajectories(10)[["position"]])
    write("gray_scott/val", tiny_results.patterns(6), shards=3, finished=2)
    text = " ".join(build(tmp_path).sections["summary"].split())
    assert "10 samples of andi 0 samples of gray_scott 0 trained networks" in text
    assert "andi/test 10 complete" in text
    assert "gray_scott/val 6 2 of 3 shards" in text


def test_results_that_are_not_complete_are_not_drawn(tmp_path):
    write("relevance/andi-study/test", tiny_results.trajectories(), shards=2, finished=1)
    page = build(tmp_path)
    assert not page.pictures
    assert "1 of 2 shards" in page.sections["summary"]


def test_accuracy_of_each_evaluated_network(tmp_path):
    write("predictions/andi-study/test", tiny_results.predictions(diffusion.ANDI_MODELS, 10))
    write("predictions/grid/123-2/val", tiny_results.predictions(diffusion.ANDI_MODELS, 100))
    text = " ".join(build(tmp_path).sections["evaluation"].split())
    assert re.search(r"andi-study test 10 0\.900 0\.\d{3}", text)
    assert re.search(r"grid/123-2 val 100 0\.990 0\.\d{3}", text)


def test_networks_are_listed_best_first_with_their_size_and_time(tmp_path):
    write("andi/test", tiny_results.trajectories(10)[["position"]])
    write("gray_scott/val", tiny_results.patterns(3))
    trained("123-2", accuracy=0.4)
    trained("132-4", accuracy=0.75, seconds=1234.5)
    text = " ".join(build(tmp_path).sections["networks"].split())
    assert "132-4 18 465 2 0.750 1 234 123-2" in text
    assert "raypipe train_network --network pattern-2d" in text


def test_pointing_at_the_phase_diagram_tells_k_f_and_class(tmp_path):
    said = scan(every=1000)
    cells = build(tmp_path).cells[0]
    assert (cells["columns"], len(cells["texts"])) == (87, 87 * 95)
    assert sum(text != "" for text in cells["texts"]) == 5369
    k, f = tables.scan_axes()
    for k_point, f_point, predicted in zip(said.k.values, said.f.values, said.predicted.values, strict=True):
        row, column = 94 - np.searchsorted(f, f_point), np.searchsorted(k, k_point)
        name = symbol(tables.PATTERN_CLASSES_SECOND[predicted])
        assert cells["texts"][row * 87 + column] == f"k = {k_point:g}, f = {f_point:g}: {name}"
    assert 0 < cells["left"] < cells["left"] + cells["width"] < 1
    assert 0 < cells["top"] < cells["top"] + cells["height"] < 1


def test_pointing_hits_the_cell_that_is_drawn(tmp_path):
    """At the position of each cell the picture has the colour of its class, though the axes are wider than the scan."""
    scan(every=20)
    page = build(tmp_path)
    cells = page.cells[0]
    caption = next(one for one in page.pictures if one.startswith("The class at"))
    image = np.asarray(Image.open(io.BytesIO(page.pictures[caption])).convert("RGB"))
    of_symbol = {symbol(name): to_rgb(colour) for name, colour in CLASS_COLOURS.items()}
    for number in (0, 40, 86, 40 * 87 + 50, 94 * 87 + 20, 94 * 87 + 40):
        row, column = divmod(number, 87)
        x = cells["left"] + (column + 0.5) * cells["width"] / 87
        y = cells["top"] + (row + 0.5) * cells["height"] / 95
        colour = image[int(y * image.shape[0]), int(x * image.shape[1])] / 255
        text = cells["texts"][number]
        expected = of_symbol[text.rpartition(": ")[2]] if text else (1, 1, 1)
        np.testing.assert_allclose(colour, expected, atol=0.01, err_msg=text)


def test_confidence_is_told_of_each_cell_and_counted(tmp_path):
    scan(every=20)
    page = build(tmp_path)
    assert any("In 137 of 275 samples no class reaches 60%" in caption for caption in page.pictures)
    assert {text.rpartition(", ")[2] for text in page.cells[1]["texts"]} == {"", "50%", "90%"}


@pytest.mark.parametrize("of_this_network", [True, False])
def test_confidence_is_calibrated_where_there_is_a_temperature_of_this_network(tmp_path, of_this_network):
    trained("pattern-2d-second")
    own = artifact.checksum("pattern-2d-second")
    found = calibration.Temperature(temperature=2.0, network=own, source="gray_scott/val2", samples=9)
    objects.put(calibration.path("pattern-2d-second"), documents.seal(found))
    said = tiny_results.scan_predictions(200)
    made_by = own if of_this_network else "another"
    made = {"network": "pattern-2d-second", "source": "gray_scott/scan", "network_sha256": made_by}
    write("predictions/pattern-2d-second/scan", said, **made)
    page = build(tmp_path)
    (caption,) = (one for one in page.pictures if one.startswith("How uncertain"))
    assert ("calibrated with T = 2.00" in caption) == of_this_network
    # Temperature 2 takes the square roots of 0.9 and of fifteen times 0.1 / 15, and normalises them.
    expected = 0.9**0.5 / (0.9**0.5 + 15 * (0.1 / 15) ** 0.5) if of_this_network else 0.9
    assert f"{expected:.0%}" in {text.rpartition(", ")[2] for text in page.cells[1]["texts"]}


def test_two_classifications_of_one_scan_are_compared_cell_by_cell(tmp_path):
    said = scan(every=20)
    assert "Only pattern-2d-second has classified this scan" in build(tmp_path).sections["disagreement"]
    names = [name if name != "pi" else "nu" for name in np.array(tables.PATTERN_CLASSES_SECOND)[said.predicted]]
    first = [tables.PATTERN_CLASSES.index(name) for name in names]
    write("predictions/pattern-2d/scan", said.drop_dims("class").assign_coords(
        {"class": ("class", list(tables.PATTERN_CLASSES))}
    ).assign(predicted=("sample", first)))  # fmt: skip
    page = build(tmp_path)
    (caption,) = (one for one in page.pictures if "name differently" in one)
    texts = page.cells[3]["texts"]
    differing = [text for text in texts if "by pattern-2d, " in text]
    assert caption.startswith(
        f"{len(differing)} of 5369 cells ({len(differing) / 5369:.1%}) that pattern-2d and pattern-2d-second name "
        "differently"
    )
    assert f"Most often ν and π {len(differing)}." in caption
    assert {text.partition(": ")[2] for text in differing} == {"ν by pattern-2d, π by pattern-2d-second"}
    assert sum("by both" in text for text in texts) == 5369 - len(differing)
    assert f"ν π {len(differing)}" in " ".join(page.sections["disagreement"].split())
    assert len(differing) > 300
    turned = build(tmp_path, against="pattern-2d-second").pictures
    (caption,) = (one for one in turned if "name differently" in one)
    assert "that pattern-2d-second and pattern-2d name differently. Most often π and ν" in caption
    with pytest.raises(
        InputError, match="pattern-3d has not classified gray_scott/scan; these have: pattern-2d, pattern-2d-second"
    ):
        build(tmp_path, against="pattern-3d")


def test_montage_shows_the_wanted_class_and_pointing_tells_k_f_and_seed(tmp_path):
    said = scan(every=100)
    page = build(tmp_path, montage_class="kappa")
    number = tables.PATTERN_CLASSES_SECOND.index("kappa")
    members = said.isel(sample=np.flatnonzero(said.predicted.values == number)).sortby(["k", "f"])
    expected = [
        f"k = {k:g}, f = {f:g}, seed {seed}"
        for k, f, seed in zip(members.k.values, members.f.values, members.seed.values, strict=True)
    ]
    cells = page.cells[-1]
    assert cells["texts"] == expected + [""] * (10 - len(expected))
    assert (cells["left"], cells["top"], cells["width"], cells["height"]) == (0, 0, 1, 1)
    assert "Class κ" in page.sections["montage"]


def test_a_class_that_the_scan_does_not_have_gets_a_sentence(tmp_path):
    said = tiny_results.scan_predictions(500, tables.PATTERN_CLASSES)
    fields = tiny_results.patterns(said.sizes["sample"], frames=1)
    write("gray_scott/scan", fields.assign_coords({name: said[name] for name in ("k", "f", "seed", "label")}))
    write("predictions/pattern-2d/scan", said)
    assert "finds no pattern of this class" in build(tmp_path, montage_class="pi").sections["montage"]


def test_predictions_of_another_scan_are_not_mixed_with_the_patterns(tmp_path):
    said = tiny_results.scan_predictions(500)
    fields = tiny_results.patterns(said.sizes["sample"], frames=1)
    seeds = {"k": said.k, "f": said.f, "seed": said.seed + 1, "label": said.label}
    write("gray_scott/scan", fields.assign_coords(seeds))
    write("predictions/pattern-2d-second/scan", said)
    assert "are of another scan" in build(tmp_path).sections["montage"]


def test_predictions_of_a_scan_made_anew_from_another_start_are_not_mixed_with_the_patterns(tmp_path):
    said = tiny_results.scan_predictions(500)
    fields = tiny_results.patterns(said.sizes["sample"], frames=1)
    there = {name: said[name] for name in ("k", "f", "seed", "label")}
    write("gray_scott/scan", fields.assign_coords(there), start="noise")
    made = {"network": "pattern-2d-second", "source": "gray_scott/scan"}
    write("predictions/pattern-2d-second/scan", said, **made, source_parameters={"start": "study"})
    assert "are of another scan" in build(tmp_path).sections["montage"]


def test_a_large_class_is_shown_in_part_and_a_tile_is_its_sample(monkeypatch):
    said = scan(every=20)
    monkeypatch.setattr(pictures, "MONTAGE_MOST", 7)
    _, found = parts.montage(catalog.open("predictions/pattern-2d-second/scan"), "kappa")
    members = np.flatnonzero(said.predicted.values == tables.PATTERN_CLASSES_SECOND.index("kappa"))
    assert found.caption.startswith(f"7 of {len(members)} patterns, evenly over k and f, of the scan that")
    shown = found.cells.samples[:7]
    assert len(set(shown)) == 7
    assert set(shown) <= set(members.tolist())
    assert {said.k.values[members].min(), said.k.values[members].max()} <= set(said.k.values[shown])
    for number, text in zip(shown, found.cells.texts, strict=False):
        one = said.isel(sample=number)
        assert text == f"k = {one.k:g}, f = {one.f:g}, seed {one.seed.item()}"
    assert found.cells.samples[7:] == [-1] * 3


def test_where_networks_differ_classes_have_the_colours_of_their_study():
    said = scan(every=500)
    write("predictions/pattern-2d/scan", said.assign(predicted=("sample", (said.predicted.values + 1) % 16)))
    (_, found, _) = of_scan.disagreement(catalog.open("predictions/pattern-2d-second/scan"))
    (legend,) = found.figure.legends
    patches = zip(legend.texts, legend.legend_handles, strict=True)
    shown = {text.get_text(): to_hex(patch.get_facecolor()) for text, patch in patches}
    expected = {symbol(name): colour for name, colour in CLASS_COLOURS.items()}
    assert len(shown) > 5
    assert shown.items() <= expected.items()


def test_provenance_has_the_attributes_of_stores_and_networks_escaped(tmp_path):
    trained("andi-study")
    write("predictions/pattern-2d-second/scan", tiny_results.scan_predictions(500))
    page = build(tmp_path)
    text = page.sections["provenance"]
    assert '{"made by": "<tests>", "network": "pattern-2d-second", "source": "gray_scott/scan"}' in text
    assert f'{{"numpy": "{np.__version__}"}}' in text
    assert "1 to " in text.partition("seeds")[2]
    assert '{"seed": 7}' in text
    assert "<tests>" not in (tmp_path / "report" / "index.html").read_text()


def test_an_unknown_class_is_refused_before_anything_is_written(tmp_path):
    scan(every=1000)
    with pytest.raises(InputError, match="unknown pattern class 'omega'"):
        build(tmp_path, montage_class="omega")
    assert not (tmp_path / "report").exists()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    write("gray_scott/val", tiny_results.patterns(3))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="choose another --output"):
        report.build(tmp_path / "file")


STUDY = """
from matplotlib.figure import Figure
from raypipe.plan import Output, simulations
from raypipe.study import DataSet, Picture, Study

def simulate(r):
    return {"x": r}

def draw(scan):
    figure = Figure()
    figure.add_subplot().plot(scan.r, scan.x)
    return figure

def failing(scan):
    return scan["y"]

scan = simulations(simulate, {"r": [1.0, 2.0]}, {"x": Output()})
STUDY = Study("guest", {"scan": DataSet(scan)}, pictures=(Picture("scan", failing), Picture("scan", draw, "x of r")))
"""


def test_a_study_of_a_users_file_is_reported_as_all_others(tmp_path, monkeypatch):
    (tmp_path / "guest_study.py").write_text(STUDY)
    monkeypatch.setenv("RAYPIPE_STUDY", str(tmp_path / "guest_study.py"))
    monkeypatch.syspath_prepend(tmp_path)
    write("guest/scan", xr.Dataset({"x": ("sample", [1.0, 2.0])}, {"r": ("sample", [1.0, 2.0])}))
    write("andi/test", tiny_results.trajectories(10)[["position"]])
    page = build(tmp_path)
    assert tuple(page.sections) == ("summary", "evaluation", "relevance", "guest", "networks", "provenance")
    assert "10 samples of andi 2 samples of guest" in " ".join(page.sections["summary"].split())
    assert "guest/scan could not be drawn. KeyError" in page.sections["guest"]
    assert list(page.pictures) == ["x of r"]
    assert (tmp_path / "report" / "guest-scan.png").exists()
    monkeypatch.delenv("RAYPIPE_STUDY")
    assert tuple(build(tmp_path).sections) == ("summary", "evaluation", "relevance", "networks", "provenance")


def test_accuracy_is_broken_down_by_the_strata_of_the_study(tmp_path):
    said = tiny_results.trajectories(10).drop_vars(["position", "relevance"])
    write("predictions/andi-study/test", said)
    page = build(tmp_path)
    assert "by exponent and by noise" in "".join(page.pictures)
    assert (tmp_path / "report" / "strata-andi-study-test.png").exists()


def truncate(path):
    objects.put(path, objects.get(path)[:-20])


def test_one_damaged_thing_does_not_stop_the_report_of_the_rest(tmp_path):
    """A plan, an artifact, a shard of predictions and the metadata of a group; each is reported in its section."""
    trained("andi-study")
    trained("andi-residual")
    truncate(artifact.path("andi-residual"))
    said = tiny_results.predictions(diffusion.ANDI_MODELS, 10)
    for split in ("test", "val", "train"):
        write(f"predictions/andi-study/{split}", said)
    truncate("predictions/andi-study/val.zarr/predicted/c/0")
    truncate("predictions/andi-study/train.zarr/zarr.json")
    for split in ("train", "val"):
        write(f"gray_scott/{split}", tiny_results.saliency(20)[["u", "label"]].expand_dims(frame=[15000], axis=3))
    truncate("gray_scott/train.ledger/plan.json")
    page = build(tmp_path)
    lines = {key: " ".join(text.split()) for key, text in page.sections.items()}
    mending = "repair it with: raypipe verify {} --repair"
    assert "network andi-residual is left out. networks/andi-residual.safetensors is damaged" in lines["summary"]
    assert "gray_scott/train is left out." in lines["summary"]
    assert mending.format("gray_scott/train") in lines["summary"]
    for name in ("val", "train"):
        assert f"predictions/andi-study/{name} is left out." in lines["evaluation"]
        assert mending.format(f"predictions/andi-study/{name}") in lines["evaluation"]
    assert "predictions/andi-study/train is left out." in lines["provenance"]
    assert "andi-study test 10 0.900" in lines["evaluation"]
    assert "andi-study 18" in lines["networks"]
    assert (tmp_path / "report/confusion-andi-study-test.png").exists()


def test_predictions_of_an_earlier_network_are_left_out(tmp_path):
    trained("andi-study")
    made = {"network": "andi-study", "source": "andi/test", "network_sha256": "before"}
    write("predictions/andi-study/test", tiny_results.predictions(diffusion.ANDI_MODELS, 10), **made)
    evaluation = " ".join(build(tmp_path).sections["evaluation"].split())
    assert "predictions/andi-study/test is left out. The network of this name has been trained again" in evaluation
    assert "run raypipe remove predictions/andi-study/test, then raypipe classify_scan" in evaluation


def test_a_damaged_data_set_stops_no_picture_of_another(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RAYPIPE_STUDY", "")
    for split in ("train", "val"):
        write(f"gray_scott/{split}", tiny_results.saliency(20)[["u", "label"]].expand_dims(frame=[15000], axis=3))
    write("gray_scott/train2", tiny_results.saliency(20)[["u", "label"]].expand_dims(frame=[15000], axis=3))
    truncate("gray_scott/train.zarr/u/c/0/0/0/0")
    truncate("gray_scott/val.ledger/plan.json")
    with pytest.raises(SystemExit) as end:
        run(job_of("draw"), ["--study", "gray_scott", "--output", str(tmp_path)])
    assert end.value.code == 2
    said = capsys.readouterr()
    assert said.out.split() == [str(tmp_path / "gray_scott-train2.png")]
    (line,) = said.err.splitlines()
    assert line.startswith("error: some pictures could not be drawn: gray_scott/val: ")
    assert "gray_scott/train.zarr/u/c/0/0/0/0 is damaged" in line


def test_an_empty_history_does_not_stop_the_report(tmp_path):
    write("andi/test", tiny_results.trajectories(10)[["position"]])
    weights = blank_weights(architecture("andi-study"), 18_465)
    for history in ({}, {"loss": []}, {"loss": [0.5]}):
        artifact.save(Artifact(architecture("andi-study"), weights, history, metrics={}, provenance={}))
        write_once("predictions/andi-study/test", tiny_results.predictions(diffusion.ANDI_MODELS, 10))
        page = build(tmp_path)
        assert "andi-study 18" in " ".join(page.sections["networks"].split())
        assert any("Loss and accuracy" in caption for caption in page.pictures) == (history == {"loss": [0.5]})


def write_once(name, dataset):
    if name not in store.list_names():
        write(name, dataset)


def test_job_prints_the_path_of_the_page(tmp_path, capsys):
    write("gray_scott/val", tiny_results.patterns(3))
    job.main(output=tmp_path / "page")
    assert capsys.readouterr().out.strip() == str(tmp_path / "page" / "index.html")
    assert [path.name for path in (tmp_path / "page").iterdir()] == ["index.html"]
    assert store.list_names() == ["gray_scott/val"]
