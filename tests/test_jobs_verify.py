"""The job that verifies and repairs, on data created by jobs, and messages of other jobs about damage."""

import parabola
import pytest
import tiny_data
from tiny_networks import random_network
from tiny_store import contents
from without_ray import fill_here, job

from raypipe import command, repair, store, study
from raypipe.errors import InputError
from raypipe.networks import classify, explain
from raypipe.run import fill
from raypipe.studies import gray_scott
from raypipe.studies.andi import trajectory_sets
from raypipe.studies.andi.tracks import networks as tracks
from raypipe.studies.gray_scott import pattern_sets
from raypipe.study import architecture


@pytest.fixture
def here(monkeypatch):
    for module in (classify, explain, fill, repair):
        monkeypatch.setattr(module, "fill", fill_here)


def verify(*flags):
    """Run the job and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        command.run(job("verify"), list(flags))
    return ended.value.code


@pytest.mark.usefixtures("ray_cluster")
def test_a_missing_shard_is_told_by_name_and_made_again_through_ray(store_root, capsys, monkeypatch):
    monkeypatch.setattr(classify, "fill", fill_here)
    fill_here(gray_scott.STUDY.plan("scan-zoom", {"k": "0.06:0.065:2p", "f": "0.03:0.035:2p", "size": 64}))
    before = contents(store_root)
    (shard,) = store_root.glob("gray_scott/scan-zoom.zarr/u/c/0/0/0/0")
    shard.unlink()
    random_network(architecture("pattern-2d"))
    with pytest.raises(AssertionError, match=r"u/c/0/0/0/0 is damaged: it is missing; repair it with: ") as told:
        job("classify_scan")(network="pattern-2d", split="scan-zoom")
    assert "raypipe verify gray_scott/scan-zoom --repair" in str(told.value)

    assert verify("gray_scott/scan-zoom") == 1
    assert "gray_scott/scan-zoom: damaged" in capsys.readouterr().out
    assert verify("gray_scott/scan-zoom", "--repair") == 0
    out = capsys.readouterr().out
    assert "gray_scott/scan-zoom: damaged" in out
    assert "gray_scott/scan-zoom: repaired" in out
    assert verify("gray_scott/scan-zoom") == 0
    assert "gray_scott/scan-zoom: sound" in capsys.readouterr().out
    after = contents(store_root)
    group = store_root / "gray_scott/scan-zoom.zarr/zarr.json"  # has the provenance, which `fill_here` leaves out
    same = [path for path in before if "ledger" not in str(path) and path != group]
    assert {path: after[path] for path in same} == {path: before[path] for path in same}


def test_everything_is_verified_and_what_is_derived_is_made_again(here, store_root, capsys):
    random_network(architecture("123-2"))
    tiny_data.write_trajectories("val", 20)
    name = classify.classify("123-2", "val")
    assert verify() == 0
    said = capsys.readouterr().out.splitlines()
    assert said == ["andi/val: sound", "predictions/123-2/val: sound", "network 123-2: sound"]

    before = contents(store_root)
    chunk = store_root / f"{name}.zarr/label/c/0"
    chunk.write_bytes(chunk.read_bytes()[::-1])
    (store_root / f"{name}.ledger/plan.json").unlink()
    assert verify() == 1
    assert f"{name}: damaged" in capsys.readouterr().out
    assert verify(name, "--repair") == 0
    assert verify(name) == 0
    after = contents(store_root)
    assert {path: data for path, data in after.items() if path.suffix != ".json"} == {
        path: data for path, data in before.items() if path.suffix != ".json"
    }

    artifact = store_root / "networks/123-2.safetensors"
    artifact.write_bytes(artifact.read_bytes()[:-1] + b"?")
    assert verify() == 1
    assert "network 123-2: networks/123-2.safetensors is damaged" in capsys.readouterr().out


@pytest.fixture
def scan(here, monkeypatch):
    """Make and classify a scan of the study of tests/parabola.py; return the names of the two stores."""
    monkeypatch.setenv("RAYPIPE_STUDY", parabola.__file__)
    monkeypatch.setattr(classify, "classifier", parabola.classifier)  # avoids the startup time of TensorFlow
    fill_here(study.chosen().plan("scan", {"points": 4}))
    parabola.save_network()
    return "parabola/scan", classify.classify("sharp", "scan")


def test_a_parameter_that_is_damaged_is_restored_and_not_believed(scan, store_root, capsys):
    name, _ = scan
    known, values = store.plan_of(name), store.open(name).load()
    plan, group = (store_root / f"{name}.{path}" for path in ("ledger/plan.json", "zarr/zarr.json"))
    plan.write_text(plan.read_text().replace('"calls": ""', '"calls": "x"'))
    assert verify(name, "--repair") == 0
    assert store.plan_of(name) == known
    assert store.open(name).load().identical(values)

    for document in (plan, group):
        document.write_text(document.read_text().replace('"calls": ""', '"calls": "x"'))
    before = contents(store_root)
    assert verify(name, "--repair") == 1
    assert f"are damaged, so it is not known how {name} was made; remove it with" in capsys.readouterr().out
    assert contents(store_root) == before


def test_predictions_without_a_plan_do_not_become_those_of_another_network(scan, store_root, capsys):
    _, name = scan
    known = store.plan_of(name)
    (store_root / f"{name}.ledger/plan.json").unlink()
    parabola.save_network(steepness=10.0)
    before = contents(store_root)
    assert verify(name, "--repair") == 1
    assert f"{name}: not repaired: " in (said := capsys.readouterr().out)
    assert "was made with other parameters: network_sha256 was" in said
    assert contents(store_root) == before
    parabola.save_network()
    assert verify(name, "--repair") == 0
    assert store.plan_of(name).parameters == known.parameters


def test_explanations_have_their_plan(here):
    random_network(architecture("pattern-2d"))
    tiny_data.write_patterns("val", 15)
    classify.classify("pattern-2d", "val")
    name = explain.explain("pattern-2d", "val", per_class=2)
    planned = repair.plan_of(name)
    assert store.begun(planned)


@pytest.mark.parametrize(
    ("plan", "name"),
    [
        (pattern_sets.patterns("train2", 2, "float32"), "gray_scott/train2"),
        (pattern_sets.scan(100), "gray_scott/scan"),
        (trajectory_sets.trajectories("train", 20), "andi/train"),
        (trajectory_sets.trajectories("val-challenge", 7), "andi/val-challenge"),
    ],
)
def test_generated_data_have_their_plan(plan, name):
    store.create(plan, {})
    assert store.begun(repair.plan_of(name))


def test_what_no_job_makes_is_said(here, store_root):
    tiny_data.write_trajectories("val", 5)
    (store_root / "andi/val.zarr/position/c/0/0").unlink()
    with pytest.raises(InputError, match=r"no job known here makes andi/val with these parameters, .*made by"):
        repair.repair(store.verify("andi/val"))


def test_a_store_is_not_repaired_by_the_plan_of_another(here, store_root):
    for split in ("val", "test"):
        tiny_data.write_trajectories(split, 5)
    with pytest.raises(InputError, match=r"the plan is that of andi/test, not of andi/val"):
        repair.repair(store.verify("andi/val"), trajectory_sets.trajectories("test", 5))


def test_what_cannot_be_made_again_does_not_keep_the_rest_from_it(here, store_root, capsys):
    for name in ("andi/test", "andi/val"):
        tiny_data.write_trajectories(name.partition("/")[2], 5)
        (store_root / f"{name}.zarr/position/c/0/0").unlink()
    assert verify("--repair") == 1
    said = capsys.readouterr().out
    for name in ("andi/test", "andi/val"):
        assert f"{name}: not repaired: no job known here makes {name}" in said


def test_predictions_of_a_users_tracks_are_made_again(here):
    """Such tracks are in a split that their study does not declare."""
    network = random_network(tracks.NETWORKS[0]).name
    tiny_data.write_trajectories("tracks-cells-1d", 6)
    (name,) = classify.classify_unlabelled([network], "andi/tracks-cells-1d")
    assert store.begun(repair.plan_of(name))


def test_a_data_set_that_is_not_there(capsys):
    assert verify("andi/test") == 2
    assert capsys.readouterr().err.startswith("error: there is no data set 'andi/test'")
