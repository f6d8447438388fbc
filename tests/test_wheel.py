"""The wheel installs, and can be used without starting Ray or TensorFlow."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    # hatchling is installed with the test packages, so the build downloads nothing.
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (made,) = folder.glob("*.whl")
    return made


def test_wheel_holds_the_package_its_tables_and_locks_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "raypipe/data_catalog/gray_scott/classes.csv" in names
    assert "raypipe/run/envs/andi.txt" in names
    assert "raypipe/shipped/pattern-2d-second.safetensors" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"raypipe"}


def test_wheel_installs_and_imports_without_ray_or_tensorflow(wheel, tmp_path):
    target = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", target, wheel]
    subprocess.run(install, check=True)
    program = (
        "import sys, raypipe, raypipe.catalog\n"
        "from raypipe.studies.gray_scott import tables\n"
        "print(raypipe.__file__)\n"
        "print(len(tables.scan_simulations()))\n"
        "print(raypipe.catalog.card('gray_scott/scan').name)\n"
        "print([name for name in ('ray', 'tensorflow', 'keras') if name in sys.modules])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(target)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    file, scan, card, heavy = run.stdout.splitlines()
    assert file.startswith(str(target))
    assert (scan, card, heavy) == ("5481", "gray_scott/scan", "[]")
