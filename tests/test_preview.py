"""The preview of one simulation: film, picture, window, and user errors."""

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from PIL import Image

from jobs import preview_pattern
from raypipe.command import run
from raypipe.errors import InputError
from raypipe.plot import window
from raypipe.studies.gray_scott import integrator
from raypipe.studies.gray_scott.pictures import preview


def frames(times=(0, 1, 2, 3)):
    return integrator.integrate(*integrator.initial_state(1), 0.03, 0.055, frame_times=times)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(preview_pattern, "TIMES", range(0, 40, 10))


def test_film_has_every_frame_and_the_picture_is_the_last(tmp_path):
    picture, moving = preview.film(frames(), "title", tmp_path / "new" / "name.of")
    assert (picture.name, moving.name) == ("name.of.png", "name.of.gif")
    with Image.open(moving) as film, Image.open(picture) as last:
        assert film.n_frames == 4
        film.seek(3)
        assert last.size == (2 * film.width, 2 * film.height)
        difference = np.asarray(last.convert("RGB").resize(film.size), int) - np.asarray(film.convert("RGB"), int)
        assert np.abs(difference).mean() < 8


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="choose another --output"):
        preview.film(frames(), "title", tmp_path / "file" / "name")


def test_there_is_no_window_without_a_display(monkeypatch):
    assert matplotlib.get_backend().lower() == "agg" or window.can_show()
    monkeypatch.setattr(matplotlib, "get_backend", lambda: "agg")
    assert not window.can_show()
    monkeypatch.setattr(matplotlib, "get_backend", lambda: "TkAgg")
    assert window.can_show()


@pytest.mark.parametrize("closed_after", [2, None])
def test_window_shows_frame_after_frame_until_it_is_closed(monkeypatch, closed_after):
    pyplot.switch_backend("agg")
    drawn, stayed = [], []

    def pause(_):
        drawn.append(pyplot.gca().get_title())
        if len(drawn) == closed_after:
            pyplot.close()

    monkeypatch.setattr(pyplot, "pause", pause)
    monkeypatch.setattr(pyplot, "show", lambda: stayed.append(True))
    preview.show(frames(), "title")
    pyplot.close("all")
    assert drawn == [f"title\nt = {time}" for time in range(closed_after or 4)]
    assert bool(stayed) == (closed_after is None)


def test_job_writes_film_and_picture(tmp_path, short, capsys):
    preview_pattern.main(seed=3, f=0.03, k=0.055, diffusion_u=0.16, output=tmp_path)
    written = [tmp_path / f"seed3_f0.03_k0.055_du0.16.{ending}" for ending in ("png", "gif")]
    assert capsys.readouterr().out.split() == [str(path) for path in written]
    assert sorted(tmp_path.iterdir()) == sorted(written)


def test_job_opens_a_window_where_there_is_a_display(tmp_path, short, monkeypatch):
    shown = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(window, "can_show", lambda: True)
    monkeypatch.setattr(preview, "show", lambda frames, title: shown.append((len(list(frames)), title)))
    preview_pattern.main(seed=3, f=0.03, k=0.055)
    assert shown == [(4, "f = 0.03, k = 0.055, $D_u$ = 0.2, seed 3")]
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        (["--seed", "1", "--f", "0.03", "--k", "-1"], "kill rate k is -1"),
        (["--seed", "-1", "--f", "0.03", "--k", "0.05"], "seed is -1"),
        (["--seed", "1", "--f", "0.03", "--k", "0.05", "--diffusion-u", "9"], "diffusion limit"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(tmp_path, capsys, flags, found):
    with pytest.raises(SystemExit) as end:
        run(preview_pattern.main, [*flags, "--output", str(tmp_path / "new")])
    error = capsys.readouterr().err
    assert end.value.code == 2
    assert found in error
    assert error.count("\n") == 1
    assert not (tmp_path / "new").exists()
