"""Pictures defined by studies: their data sets, their names, and what happens if one fails."""

import pytest
import tiny_results
import xarray as xr
from matplotlib.figure import Figure
from tiny_results import write
from without_ray import job

from raypipe import command
from raypipe.errors import InputError
from raypipe.report.holdings import stores
from raypipe.report.page import Heading, Missing, Picture, Text
from raypipe.report.pictures import drawn, sections
from raypipe.study import DataSet, Study
from raypipe.study import Picture as Drawn

SCAN = xr.Dataset({"x": ("sample", [1.0, 2.0])})


def line(data, width: float = 1.0):
    if width < 0:
        raise InputError(f"a line of width {width}; expected a positive one")
    figure = Figure()
    figure.add_subplot().plot(data["x"], linewidth=width)
    return figure


def failing(data):
    raise ValueError("first line\nlast line")


def unprintable(data):
    figure = Figure()
    figure.suptitle("$\\nonsense$")
    return figure


def guest(*pictures, name="guest"):
    return Study(name, {"scan": DataSet(plan=None), "more": DataSet(plan=None)}, pictures=pictures)


def parts(study, **settings):
    """Return the sections of a study: their titles and parts."""
    return {section.title: list(section.parts) for section in sections(study, stores(), settings)}


def refusing(data):
    raise InputError("too few samples to draw")


def test_what_cannot_be_drawn_keeps_nothing_else_from_it():
    write("guest/scan", SCAN)
    found = drawn(guest(Drawn("scan", refusing), Drawn("scan", line)))
    assert next(found).name == "guest-scan"
    with pytest.raises(InputError, match="some pictures could not be drawn: guest/scan: too few samples to draw"):
        next(found)


def test_a_figure_is_called_as_its_data_set_and_a_second_one_has_a_number():
    for name in ("guest/scan", "guest/more", "other/scan"):
        write(name, SCAN)
    found = list(drawn(guest(Drawn("scan", line, "one"), Drawn("scan", line, "two"), Drawn("*", line))))
    assert [(one.name, one.caption) for one in found] == [
        ("guest-scan", "one"),
        ("guest-scan-2", "two"),
        ("guest-more", "guest/more"),
        ("guest-scan-3", "guest/scan"),
    ]
    assert found[0].png.startswith(b"\x89PNG")


def test_what_networks_made_of_a_studys_data_sets_is_drawn_but_no_control_and_nothing_incomplete():
    of = {"source": "guest/scan", "network": "series/small"}
    write("predictions/series/small/scan", SCAN, **of)
    write("predictions/foreign/scan", SCAN, source="other/scan")
    write("predictions/series/checked/scan", SCAN, **of, control="shuffled-weights")
    write("predictions/series/begun/scan", SCAN, shards=2, finished=1, **of)
    study = guest(Drawn("predictions/*/scan", line))
    assert [one.name for one in drawn(study)] == ["predictions-series-small-scan"]
    heading, _ = parts(study)["guest"]
    assert heading == Heading("series/small on scan")


def test_a_picture_may_be_parts_of_the_page():
    write("guest/scan", SCAN)
    study = guest(Drawn("scan", lambda data: [Text("Two points."), Picture("a/b", line(data), "")], section="Points"))
    text, picture = parts(study)["Points"]
    assert (text, picture.name) == (Text("Two points."), "a-b")
    assert [one.name for one in drawn(study)] == ["a-b"]


def test_a_picture_that_fails_stops_no_other_and_says_which_and_why():
    write("guest/scan", SCAN)
    draws = (failing, unprintable, lambda _: None, lambda _: ["text"], line)
    *reasons, heading, picture = parts(guest(*(Drawn("scan", draw) for draw in draws)))["guest"]
    assert reasons[0] == Text("guest/scan could not be drawn. last line")
    assert all(one.text.startswith("guest/scan could not be drawn. ") for one in reasons)
    assert "expected a matplotlib figure, or parts" in reasons[2].text
    assert "expected parts of raypipe.report.page" in reasons[3].text
    assert (heading, picture.name) == (Heading("guest/scan"), "guest-scan")


def test_settings_go_to_the_pictures_that_have_them_and_a_wrong_value_is_the_users_mistake():
    write("guest/scan", SCAN)
    study = guest(Drawn("scan", line), Drawn("scan", lambda data: line(data)))
    wide, usual = drawn(study, {"width": 3})
    assert [one.figure.axes[0].lines[0].get_linewidth() for one in (wide, usual)] == [3, 1]
    with pytest.raises(InputError, match="a line of width -1"):
        parts(study, width=-1)
    with pytest.raises(InputError, match="colour is not a setting of these pictures; possible: width"):
        list(drawn(study, {"colour": 1}))


def test_a_mistake_that_nobody_set_is_told_in_its_place():
    write("guest/scan", SCAN)
    study = guest(Drawn("scan", lambda data: line(data, -1)), Drawn("scan", line))
    assert parts(study, width=2)["guest"][0].text == (
        "guest/scan could not be drawn. InputError: a line of width -1; expected a positive one"
    )


def test_without_data_sets_the_section_says_what_makes_them():
    made = parts(guest(Drawn("*", line), Drawn("relevance/*/*", line, section="Relevance", commands=("explain it",))))
    assert made == {
        "guest": [
            Missing(
                "No complete * yet. To make it:",
                ("raypipe generate --study guest --split scan", "raypipe generate --study guest --split more"),
            )
        ],
        "Relevance": [Missing("No complete relevance/*/* yet. To make it:", ("explain it",))],
    }


def test_nothing_to_draw_is_one_line():
    with pytest.raises(InputError, match=r"guest defines no pictures; give it some"):
        next(drawn(guest()))
    with pytest.raises(InputError, match=r"the pictures of guest, which show scan, more; make those first"):
        next(drawn(guest(Drawn("scan", line), Drawn("scan", line), Drawn("more", line))))


def draw(flags):
    with pytest.raises(SystemExit) as end:
        command.run(job("draw"), flags.split())
    return end.value.code


def test_the_job_draws_the_pictures_of_the_studies_that_come_with_raypipe(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RAYPIPE_STUDY", "")
    labelled = tiny_results.saliency(20)[["u", "label"]]
    write("gray_scott/train", labelled.expand_dims(frame=[15000], axis=3))
    write("saliency/pattern-2d/test", tiny_results.saliency())
    said = tiny_results.scan_predictions(100)
    fields = tiny_results.patterns(said.sizes["sample"], frames=1)
    write("gray_scott/scan", fields.assign_coords({name: said[name] for name in ("k", "f", "seed", "label")}))
    write("predictions/pattern-2d-second/scan", said)
    write("relevance/andi-study/test", tiny_results.trajectories())
    assert draw(f"--study gray_scott --set montage_class=kappa --output {tmp_path}") == 0
    assert draw(f"--study andi --output {tmp_path}") == 0
    names = [
        "gray_scott-train",
        "saliency-pattern-2d-test",
        "phase-diagram-pattern-2d-second",
        "confidence-pattern-2d-second",
        "montage-pattern-2d-second-kappa",
        "relevance-andi-study-test",
    ]
    assert capsys.readouterr().out.split() == [str(tmp_path / f"{name}.png") for name in names]
    assert all((tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG") for name in names)
    assert draw(f"--study gray_scott --set montage_class=omega --output {tmp_path}") == 2
    assert "unknown pattern class 'omega'" in capsys.readouterr().err
