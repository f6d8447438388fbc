"""Calibration of probabilities, tested on artificial predictions whose calibration is known."""

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from tiny_networks import random_network

from raypipe.errors import InputError
from raypipe.networks import artifact, calibration
from raypipe.store import Variable
from raypipe.study import Study, architecture


def outcomes(samples=20000, classes=4, sharpness=1.0, seed=0):
    """Draw labels from probabilities, then multiply the scores by `sharpness`, the temperature to be found."""
    random = np.random.default_rng(seed)
    true = random.dirichlet(np.full(classes, 0.7), samples)
    label = (true.cumsum(axis=1) > random.random((samples, 1))).argmax(axis=1)
    said = true**sharpness
    return (said / said.sum(axis=1, keepdims=True)).astype("float32"), label


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_what_made_a_network_too_sure(sharpness):
    probability, label = outcomes(sharpness=sharpness)
    found = calibration.temperature(probability, label)

    assert found == pytest.approx(sharpness, rel=0.04)
    before = calibration.reliability(probability, label)
    after = calibration.reliability(calibration.calibrated(probability, found), label)
    assert after["error"] < 0.015
    assert after["log_loss"] <= before["log_loss"]
    if sharpness != 1:
        assert before["error"] > 5 * after["error"]


def test_calibration_changes_no_prediction_and_one_changes_nothing():
    probability, _ = outcomes(200)
    for temperature in (0.3, 1.0, 4.0):
        shown = calibration.calibrated(probability, temperature)
        np.testing.assert_allclose(shown.sum(axis=1), 1)
        np.testing.assert_array_equal(shown.argmax(axis=1), probability.argmax(axis=1))
    np.testing.assert_allclose(calibration.calibrated(probability, 1.0), probability, rtol=1e-5, atol=1e-7)
    scores = np.array([[2.0, 0.0, -1.0]])
    softmax = np.exp(scores) / np.exp(scores).sum()
    halved = np.exp(scores / 2) / np.exp(scores / 2).sum()
    np.testing.assert_allclose(calibration.calibrated(softmax, 2.0), halved)
    assert np.isfinite(calibration.calibrated(np.array([[1.0, 0.0]], "float32"), 5.0)).all()


def test_the_error_of_a_case_counted_by_hand():
    probability = np.array([[0.9, 0.1], [0.9, 0.1], [0.35, 0.65], [0.45, 0.55]])
    found = calibration.reliability(probability, np.array([0, 1, 1, 1]), bins=10)

    assert found["count"].values.tolist() == [0, 0, 0, 0, 0, 1, 1, 0, 0, 2]
    np.testing.assert_allclose(found["accuracy"].values[[5, 6, 9]], [1, 1, 0.5])
    np.testing.assert_allclose(found["confidence"].values[[5, 6, 9]], [0.55, 0.65, 0.9])
    assert np.isnan(found["accuracy"].values[0])
    assert found["error"].item() == pytest.approx((0.45 + 0.35 + 2 * 0.4) / 4)
    assert found["adaptive_error"].item() == pytest.approx((0.45 + 0.35 + 0.1 + 0.9) / 4), "a bin for each sample"
    assert found["log_loss"].item() == pytest.approx(-np.log([0.9, 0.1, 0.65, 0.55]).mean())
    assert 0 <= found["error_low"] <= found["error"] <= found["error_high"]


def test_a_network_that_means_what_it_says_has_the_error_of_chance():
    errors, chances = zip(
        *(
            (one["error"].item(), one["chance_error"].item())
            for one in (calibration.reliability(*outcomes(500, seed=seed)) for seed in range(20))
        ),
        strict=True,
    )
    assert np.mean(chances) == pytest.approx(np.mean(errors), rel=0.15)
    assert np.mean(errors) > 0.02


def test_the_interval_of_the_error_contains_the_true_one(monkeypatch):
    """Of networks that are too sure by 0.02 in every bin, judged by a thousand samples."""
    monkeypatch.setattr(calibration, "REPEATS", 200)
    inside = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        sure = random.uniform(0.52, 0.99, 1000)
        label = (random.random(1000) > sure - 0.02).astype(int)
        found = calibration.reliability(np.stack([sure, 1 - sure], axis=1), label)
        inside += int(found["error_low"] <= 0.02 <= found["error_high"])
    assert inside >= 34


def test_of_many_samples_fewer_are_drawn_anew(monkeypatch):
    drawn = []

    def counted(*given):
        drawn.append(len(given[0]))
        return 0.0

    monkeypatch.setattr(calibration, "_error", counted)
    monkeypatch.setattr(calibration, "_MOST_DRAWN", 100_000)
    for count, repeats in ((100, 500), (1000, 100), (5000, 50)):
        drawn.clear()
        calibration.reliability(*outcomes(count))
        assert len(drawn) == 2 * repeats + 2


def test_a_confidence_of_one_is_in_the_last_bin():
    found = calibration.reliability(np.array([[1.0, 0.0]]), np.array([0]))
    assert found["count"].values[-1] == 1


def test_what_has_no_temperature_is_refused():
    sure = np.eye(3)[[0, 1, 2]] * 0.9 + 0.1 / 3
    with pytest.raises(InputError, match="3 of 3 samples are classified correctly, so that no temperature"):
        calibration.temperature(sure, np.array([0, 1, 2]))
    with pytest.raises(InputError, match="0 of 3 samples are classified correctly"):
        calibration.temperature(sure, np.array([1, 2, 0]))
    with pytest.raises(InputError, match="no samples"):
        calibration.reliability(np.empty((0, 3)), np.empty(0, int))


def predictions(network, split="val", labelled=True):
    probability, label = outcomes(500, len(network.architecture.classes), 2.0)
    made = {"network_sha256": artifact.checksum(network.name), "source": f"andi/{split}"}
    coordinates = {"label": ("sample", label if labelled else -np.ones_like(label))}
    return xr.Dataset({"probability": (("sample", "class"), probability)}, coordinates, {"parameters": made})


def test_the_temperature_lies_beside_the_network_and_leaves_it_as_it_is(store_root):
    network = random_network(architecture("123-2"))
    before = artifact.checksum("123-2")
    fitted = calibration.fit("123-2", predictions(network))

    assert calibration.load("123-2") == fitted
    assert fitted.temperature == pytest.approx(2, rel=0.2)
    assert (fitted.source, fitted.samples) == ("andi/val", 500)
    assert artifact.checksum("123-2") == before
    assert artifact.names() == ["123-2"]
    assert calibration.settled("123-2", {"test": predictions(network, "test")}) == fitted, "the stored one"

    file = store_root / "networks" / "123-2.temperature.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "temperature": 1.0}))
    with pytest.raises(
        InputError, match=r"123-2\.temperature\.json is damaged: it does not agree with its checksum; fit"
    ):
        calibration.load("123-2")
    file.write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        calibration.load("123-2")


def test_a_temperature_of_another_network_is_not_used(caplog):
    network = random_network(architecture("123-2"))
    said = predictions(network)
    with pytest.raises(InputError, match=r"has no temperature yet; fit it with: .*--network 123-2 --split val"):
        calibration.load("123-2")
    with pytest.raises(InputError, match="have no label"):
        calibration.fit("123-2", predictions(network, labelled=False))
    calibration.fit("123-2", said)
    random_network(architecture("123-2"), seed=1)
    with pytest.raises(InputError, match="was fitted to an earlier network"):
        calibration.load("123-2")
    with pytest.raises(
        InputError, match="were made by an earlier network 123-2; remove them with raypipe remove predictions/123-2/"
    ):
        calibration.fit("123-2", said)
    assert calibration.settled("123-2", {}) is None
    assert "probabilities are shown uncalibrated: the temperature of 123-2" in caplog.text


def test_it_is_fitted_on_the_usual_split_where_the_network_cannot_classify_its_own():
    """The shipped network was validated on val2 without π, and val2 has this class, which the network does not know."""
    assert artifact.load("shipped/pattern-2d").splits[1] == "val2"
    assert calibration.validation_split("shipped/pattern-2d") == "val"
    assert calibration.validation_split("shipped/pattern-2d-second") == "val2"


def test_the_classes_that_a_network_cannot_classify_may_be_determined_by_the_simulation(monkeypatch):
    usual = Study.plan

    def plan(of, split, settings=None):
        made = usual(of, split, settings)
        coordinates = dict(made.coordinates)
        label = coordinates.pop("label").attributes
        variable = Variable(("sample",), (made.samples,), "int64", (made.shard_samples,), label)
        return replace(made, coordinates=coordinates, variables={**made.variables, "label": variable})

    monkeypatch.setattr(Study, "plan", plan)
    assert calibration.validation_split("shipped/pattern-2d") == "val"


def test_it_is_fitted_on_the_split_that_the_network_was_validated_on():
    network = random_network(architecture("123-2"))
    for validation, split in (("val-own", "val-own"), ("fresh", "val")):
        data = {"train": {"name": "andi/train-own"}, "validation": {"name": f"andi/{validation}"}}
        trained = replace(network, provenance={"made_from": {"data": data}})
        artifact.save(trained)
        assert calibration.validation_split("123-2") == split
        with pytest.raises(InputError, match=f"fit it with: raypipe evaluate --network 123-2 --split {split}$"):
            calibration.load("123-2")
        other = "val" if split == "val-own" else "val-own"
        assert calibration.settled("123-2", {other: predictions(trained, other)}) is None
    found = calibration.settled("123-2", {split: predictions(trained, split)})
    assert found.source == "andi/val"


def test_a_table_has_a_line_for_each():
    found = {name: calibration.reliability(*outcomes(100)) for name in ("as it is", "with T = 2.00")}
    lines = calibration.table(found).splitlines()
    assert lines[1].startswith("as it is ")
    assert f"{found['as it is']['error'].item():.4f}" in lines[1]
    assert len(lines) == 3
