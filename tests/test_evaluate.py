"""Metrics of predictions."""

import numpy as np
import pytest
import tiny_data
import xarray as xr
from tiny_networks import random_network
from without_ray import fill_here, job

from raypipe import command
from raypipe.errors import InputError
from raypipe.networks import classify, inputs, ranking
from raypipe.networks.evaluate import confused, evaluate, shares, table
from raypipe.studies.andi.diffusion import ANDI_MODELS
from raypipe.studies.andi.tracks import networks as tracks
from raypipe.study import architecture


def predictions(label: list[int], predicted: list[int], **coordinates: list[float]) -> xr.Dataset:
    columns = {name: ("sample", values) for name, values in coordinates.items()}
    return xr.Dataset(
        {"predicted": ("sample", predicted)},
        coords={"label": ("sample", label), "class": ("class", ["red", "green", "blue"]), **columns},
    )


def test_metrics_of_a_case_counted_by_hand():
    found = evaluate(predictions([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 0]))

    assert found.accuracy.item() == pytest.approx(4 / 6)
    assert found.micro_f1.item() == found.accuracy.item()
    np.testing.assert_allclose(found.recall, [2 / 3, 1, 0])
    np.testing.assert_allclose(found.precision, [2 / 3, 2 / 3, np.nan])
    assert found.macro_f1.item() == pytest.approx((2 / 3 + 4 / 5 + 0) / 3)
    np.testing.assert_array_equal(found.confusion, [[2, 1, 0], [0, 2, 0], [1, 0, 0]])
    assert found.confusion.sel(label="blue", predicted="red").item() == 1


def test_recall_has_the_interval_of_wilson():
    found = evaluate(predictions([0] * 10 + [1] * 5, [0] * 9 + [1] * 6))
    np.testing.assert_allclose(found.recall_low, [0.5958, 0.5655, np.nan], atol=1e-4)
    np.testing.assert_allclose(found.recall_high, [0.9821, 1, np.nan], atol=1e-4)


def test_the_most_confused_pairs_come_first():
    label, predicted = [0, 0, 0, 0, 1, 1, 2], [0, 1, 1, 2, 0, 1, 2]
    found = confused(evaluate(predictions(label, predicted)))
    assert [str(pair) for pair in found] == [
        "red taken for green: 2 of 4",
        "red taken for blue: 1 of 4",
        "green taken for red: 1 of 2",
    ]
    assert confused(evaluate(predictions([0, 1], [0, 1]))) == []


def test_shares_of_classes_are_aligned_for_long_names():
    first = predictions([0] * 8, [0, 0, 0, 1, 1, 2, 2, 2]).assign_coords({"class": ["a", "a rather long name", "c"]})
    second = predictions([0] * 8, [0] * 7 + [2]).assign_coords({"class": ["a", "d", "c"]})
    assert shares({"one": first, "two": second}).splitlines() == [
        "class               one   share  two   share",
        "a                     3  37.50%    7  87.50%",
        "a rather long name    2  25.00%    -       -",
        "c                     3  37.50%    1  12.50%",
        "d                     -       -    0   0.00%",
    ]


def test_a_class_that_never_occurs_does_not_count():
    found = evaluate(predictions([0, 0, 1], [0, 0, 1]))

    assert np.isnan(found.recall.sel(label="blue"))
    assert found.macro_f1.item() == 1


def test_strata_add_up_to_the_whole():
    random = np.random.default_rng(0)
    label, predicted = random.integers(0, 3, (2, 200)).tolist()
    noise = random.choice([0.1, 0.5, 1.0], 200).tolist()
    exponent = [0.1 + 0.05 if odd else 0.15 for odd in random.integers(0, 2, 200)]
    found = evaluate(predictions(label, predicted, noise=noise, exponent=exponent), ("noise", "exponent"))

    np.testing.assert_array_equal(found.confusion_by_noise.sum("noise"), found.confusion)
    assert found.exponent.values.tolist() == [0.15], "0.1 + 0.05 and 0.15 are one exponent"
    quiet = np.array(noise) == 0.1
    right = np.array(label)[quiet] == np.array(predicted)[quiet]
    assert found.accuracy_by_noise.sel(noise=0.1).item() == pytest.approx(right.mean())


def test_strata_may_be_small_or_large_or_near_nothing():
    random = np.random.default_rng(0)
    label = random.integers(0, 3, 300).tolist()
    for values in ([1e-9, 1e-8, 1e-7], [1e6 + 0.5, 1e6 + 0.75], [2**40, 2**40 + 1], [-0.1, 0.0, 0.1]):
        found = evaluate(predictions(label, label, of=random.choice(values, 300)), ("of",))
        assert found.of.values.tolist() == values
    found = evaluate(predictions([0, 1, 2], [0, 1, 2], of=[0.3 - 0.1 - 0.2, 0.0, 0.1]), ("of",))
    assert found.of.values.tolist() == [0, 0.1]
    found = evaluate(predictions([0, 1], [0, 1], of=np.array([0.15, np.nextafter(np.float32(0.15), 1)], "f4")), ("of",))
    assert found.of.values.tolist() == [0.15]


def test_strata_may_be_infinite_beside_others():
    found = evaluate(predictions([0, 1, 2], [0, 1, 2], of=[1.0, 2.0, np.inf]), ("of",))
    assert found.of.values.tolist() == [1, 2, np.inf]


def test_strata_differ_however_small_they_are():
    values = np.array([1e-7, 3e-7, 1e-7, 0.1 * 3e-6])
    found = evaluate(predictions([0, 1, 0, 1], [0, 1, 1, 1], noise=values), ("noise",))
    assert found.noise.values.tolist() == [1e-7, 3e-7]
    np.testing.assert_allclose(found.accuracy_by_noise, [0.5, 1])
    single = evaluate(predictions([0, 1], [0, 1], noise=np.float32([0.05, 0.3])), ("noise",))
    assert single.noise.values.tolist() == [0.05, 0.3]


def test_patterns_have_no_strata():
    assert "noise" not in evaluate(predictions([0, 1], [0, 1]), ("noise",)).coords


def test_strata_may_be_texts():
    start = ["noise", "spot", "noise", "a rather long name"]
    found = evaluate(predictions([0, 0, 1, 2], [0, 1, 1, 2], start=start), ("start",))
    assert found.start.values.tolist() == ["a rather long name", "noise", "spot"]
    np.testing.assert_allclose(found.accuracy_by_start, [1, 1, 0])
    assert table(found).splitlines()[-4:] == [
        "start              samples accuracy",
        "a rather long name       1    1.000",
        "noise                    2    1.000",
        "spot                     1    0.000",
    ]
    assert ranking.strata({"123-2": found})["value"].tolist() == found.start.values.tolist()


def test_samples_without_labels_are_refused():
    with pytest.raises(InputError, match="2 of 3 samples have no label"):
        evaluate(predictions([0, -1, -1], [0, 1, 1]))


def test_table_names_classes_mistakes_and_strata():
    text = table(evaluate(predictions([0, 0, 0, 1], [0, 1, 1, 1], noise=[0.1, 0.1, 0.5, 0.5]), ("noise",))).splitlines()

    assert text[0] == "4 samples: accuracy 0.500, micro-F1 0.500, macro-F1 0.500"
    assert text[3].split() == ["red", "3", "0.333", "1.000", "green", "(67%)"]
    assert text[4].split() == ["green", "1", "1.000", "0.333", "-"]
    assert text[5].split() == ["blue", "0", "nan", "nan", "-"]
    assert text[-1].split() == ["0.5", "2", "0.500"]


def test_the_columns_of_the_table_line_up():
    found = evaluate(predictions([0, 1, 2], [0, 1, 2]))
    found = found.assign_coords(
        label=["a long name of a class", "b", "c"], predicted=["a long name of a class", "b", "c"]
    )
    _, _, *lines = table(found).splitlines()
    assert len({line.rindex(end) for line, end in zip(lines, ("  most", "  -", "  -", "  -"), strict=True)}) == 1


def test_the_job_prints_the_table_and_draws_the_pictures(monkeypatch, tmp_path, capsys, store_root):
    monkeypatch.setattr(classify, "fill", fill_here)
    random_network(architecture("123-32"))
    tiny_data.write_trajectories("val", 20)
    job("evaluate")("123-32", "val", tmp_path / "figures")

    said = capsys.readouterr().out.splitlines()
    assert said[0] == "123-32 on val"
    assert [line.split()[0] for line in said[4:9]] == list(ANDI_MODELS)
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    assert drawn == {
        f"123-32_{end}.png" for end in ("training", "val_confusion", "val_confused", "val_recall", "val_reliability")
    }
    text = "\n".join(said)
    assert "mistaken for" in text
    assert "as it is " in text
    assert (store_root / "networks" / "123-32.temperature.json").exists() == ("with T = " in text)


def by_kind() -> xr.Dataset:
    """Predictions with two subclasses of each label class; summed by class all 4 are right, by subclass only 3."""
    probability = [[0.3, 0.3, 0.4, 0.0], [0.1, 0.0, 0.2, 0.7], [0.0, 0.2, 0.5, 0.3], [0.0, 1.0, 0.0, 0.0]]
    return xr.Dataset(
        {"predicted": ("sample", [2, 3, 2, 1]), "probability": (("sample", "class"), probability)},
        coords={
            "label": ("sample", [1, 0, 0, 1], {"flag_meanings": "lw fbm"}),
            "class": ["fbm_0.50", "fbm_1.50", "lw_1.50", "lw_1.70"],
        },
    )


def test_classes_that_are_kinds_of_those_of_the_labels_are_counted_as_these():
    found = evaluate(by_kind())

    assert found.label.values.tolist() == ["lw", "fbm"]
    np.testing.assert_array_equal(found.confusion, [[2, 0], [0, 2]])  # the first is fbm: 0.6 in sum, lw_1.50 only 0.4
    assert ranking._right(inputs.by_label(by_kind())).tolist() == [1, 1, 1, 1]
    explained = inputs.by_label(by_kind().drop_vars("probability"))
    assert explained["predicted"].values.tolist() == [0, 0, 0, 1]


def test_labels_that_count_other_classes_are_refused():
    with pytest.raises(InputError, match=r"labels are of the classes lw ctrw, the network.s are fbm_0.50"):
        evaluate(by_kind().assign_coords(label=("sample", [1, 0, 0, 1], {"flag_meanings": "lw ctrw"})))


def test_the_job_evaluates_networks_of_kinds_of_the_classes(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(classify, "fill", fill_here)
    network = random_network(tracks.NETWORKS[0]).name
    tiny_data.write_trajectories("val", 20)
    job("evaluate")(network, "val", tmp_path / "figures")

    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said[4:9]] == list(ANDI_MODELS)
    assert sum(int(line.split()[1]) for line in said[4:9]) == 20


def test_the_job_evaluates_several_splits_of_patterns_and_draws_what_was_confused(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(classify, "fill", fill_here)
    random_network(architecture("pattern-2d"))
    for split in ("val", "test"):
        tiny_data.write_patterns(split, 20)
    job("evaluate")("pattern-2d", "test,val", tmp_path / "figures")

    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if line.startswith("pattern-2d on")] == ["pattern-2d on test", "pattern-2d on val"]
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    assert drawn == {
        f"pattern-2d_{end}.png"
        for end in (
            "training",
            *(f"{split}_{what}" for split in ("val", "test") for what in ("confusion", "confused")),
            "test-val_recall",
            "test-val_reliability",
        )
    }


def test_the_job_names_a_split_that_it_cannot_evaluate_before_it_classifies_any(tmp_path, store_root, capsys):
    random_network(architecture("pattern-2d"))
    tiny_data.write_patterns("val", 5)
    tiny_data.write_patterns("val2", 5)
    for split, message in (
        ("val,scan", "error: unknown labelled split 'scan'; choose one of train, val, test, train2, val2"),
        ("val,test", "error: there is no data set 'gray_scott/test'"),
        ("val,val2", "error: data set gray_scott/val2 has the classes"),
    ):
        with pytest.raises(SystemExit, match="2"):
            command.run(job("evaluate"), ["--network", "pattern-2d", "--split", split, "--output", str(tmp_path)])
        said = capsys.readouterr().err
        assert said.startswith(message)
        assert said.count("\n") == 1
    assert not (store_root / "predictions").exists()


def test_the_job_refuses_a_folder_that_cannot_be_written(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(classify, "fill", fill_here)
    random_network(architecture("123-32"))
    tiny_data.write_trajectories("val", 5)
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(SystemExit, match="2"):
        command.run(job("evaluate"), ["--network", "123-32", "--split", "val", "--output", str(tmp_path / "taken")])
    assert capsys.readouterr().err.startswith("error: cannot write into")
