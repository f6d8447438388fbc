"""User code in an empty folder with the installed wheel: examples, a file with further modules, errors."""

import shutil
import subprocess
import sys
import sysconfig
import textwrap
import venv
from pathlib import Path

import numpy as np
import pytest
import tiny_data

from raypipe import catalog

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def bin_folder(tmp_path_factory):
    """Return the bin folder of an environment with the wheel and the packages of this one, but not the checkout.

    The wheel is built from the source distribution, which contains everything that a wheel of the checkout needs.
    """
    folder = tmp_path_factory.mktemp("outside")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder), "-t"]
    subprocess.run([*build, "sdist"], cwd=ROOT, check=True, capture_output=True)
    (source,) = folder.glob("*.tar.gz")
    shutil.unpack_archive(source, folder, filter="data")
    subprocess.run([*build, "wheel"], cwd=folder / source.name.removesuffix(".tar.gz"), check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", symlinks=True)
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps"]
    subprocess.run([*install, "--python", folder / "env/bin/python", wheel], check=True)
    packages = sysconfig.get_path("purelib")
    there = sysconfig.get_path("purelib", "venv", {"base": str(folder / "env")})
    (Path(there) / "others.pth").write_text(f"{packages}\n")
    return folder / "env/bin"


class Outside:
    """A user's working folder, empty at first."""

    def __init__(self, folder, environment):
        self.folder = folder
        self.environment = environment

    def bring(self, *names):
        for name in names:
            shutil.copy(EXAMPLES / name, self.folder)

    def write(self, name, text):
        (self.folder / name).write_text(textwrap.dedent(text))

    def call(self, line, code=0, **environment):
        """Run `raypipe …` and return its standard output and its messages (standard error)."""
        run = subprocess.run(
            ["raypipe", *line.split()],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert run.returncode == code, run.stdout + run.stderr
        assert "Set ray log level" not in run.stderr
        return run.stdout, run.stderr


@pytest.fixture
def outside(bin_folder, tmp_path, store_root, head):
    """Create a working folder whose commands join the running cluster."""
    folder = tmp_path / "empty"
    folder.mkdir()
    environment = {**head, "PATH": f"{bin_folder}:{head['PATH']}", "RAYPIPE_STORE": str(store_root)}
    return Outside(folder, environment)


@pytest.mark.slow
def test_the_sweep_on_a_laptop(outside):
    outside.bring("sweep.py")
    outside.call("generate --study sweep.py --split scan", RAY_ADDRESS="local")
    scan = catalog.open("pendulum/scan")
    assert scan.velocity.dims == ("sample", "period")
    assert np.ptp(scan.velocity.isel(sample=-71).values) < 1e-6, "strongly damped, weakly driven: one period"
    assert outside.call("draw --study sweep.py")[0].split() == ["figures/pendulum-scan.png"]
    assert (outside.folder / "figures/pendulum-scan.png").stat().st_size > 10_000


@pytest.mark.slow
def test_the_brusselator(outside):
    outside.bring("brusselator.py")
    for split, setting in (
        ("train", "per_class=8"),
        ("val", "per_class=3"),
        ("test", "per_class=3"),
        ("scan", "points=4"),
    ):
        outside.call(f"generate --study brusselator.py --split {split} --set {setting}")
    outside.call("train_network --study brusselator.py --network small --epochs 30")
    said, _ = outside.call("evaluate --network small", RAYPIPE_STUDY="brusselator.py")
    assert "9 samples: accuracy" in said
    outside.call("classify_scan --study brusselator.py --network small")
    refine = "refine_scan --study brusselator.py --network small --coarse 2 --budget 0.5 --set points=4"
    said, _ = outside.call(f"{refine} --against brusselator/scan")
    assert said.startswith("8 simulations, 50.0% of the 16 points of brusselator/scan")
    assert catalog.open("refined/small/scan/first-000008").sizes["sample"] == 16
    outside.call("explain --study brusselator.py --network small")
    assert catalog.open("saliency/small/test").saliency.shape == (3, 48, 48)
    drawn = [f"figures/{name}.png" for name in ("predictions-small-scan", "confidence-small")]
    assert outside.call("draw --study brusselator.py")[0].split() == drawn
    outside.call("report --study brusselator.py")
    assert "brusselator/train" in (outside.folder / "report/index.html").read_text()
    assert "brusselator/scan: sound" in outside.call("verify --study brusselator.py")[0]


@pytest.mark.slow
def test_a_network_of_ones_own_for_a_built_in_study(outside):
    outside.bring("my_network.py")
    for seed, (split, count) in enumerate((("train", 200), ("val", 50), ("test", 50))):
        tiny_data.write_trajectories(split, count, seed=seed)
    outside.call("train_network --study my_network.py --network strided --epochs 2")
    study = ROOT / "results/networks/andi-study.safetensors"
    outside.call(f"rank_networks --networks strided --reference {study} --output ranking.csv")
    assert "strided" in (outside.folder / "ranking.csv").read_text()
    outside.call("explain --network strided")
    assert catalog.open("relevance/strided/test").relevance.shape == (5, 320)
    listed, _ = outside.call("networks")
    assert {"strided", "final/andi-study"} <= set(listed.split())


@pytest.mark.slow
def test_a_grid_of_ones_own(outside):
    outside.bring("my_grid.toml")
    for seed, split in enumerate(("train", "val")):
        tiny_data.write_trajectories(split, 100, seed=seed)
    some = "--grid my_grid.toml --networks 123-4-f8,12-4-f8 --epochs 1"
    assert "my_grid-rate-0.004-seed-2/12-4-f8" in outside.call(f"train_grid {some}")[0]
    said, _ = outside.call("compare_grid --grid my_grid.toml")
    assert "| learning rate | learning rate 0.004 instead of 0.001 |" in said
    assert len((outside.folder / "compared/my_grid.csv").read_text().splitlines()) == 1 + 2 * 2 * 2


STUDY = """
    import numpy as np

    {imports}
    from raypipe.plan import Output, simulations
    from raypipe.study import DataSet, Study

    def simulate(a):
        return {result}

    plan = simulations(simulate, {{"a": np.arange(4)}}, {{"x": Output()}}, {options})
    STUDY = Study("mine", {{"all": DataSet(plan, labelled=False)}})
"""


def test_a_file_with_neighbours_and_an_environment_goes_through_job_submit(outside, store_root):
    (outside.folder / "studies").mkdir()
    text = STUDY.format(imports="import neighbour", result="neighbour.made(a)", options="environment='packages.txt'")
    outside.write("studies/mine.py", text)
    made = 'import numpy as np\n\ndef made(a):\n    return {"x": a + float(np.__version__.split(".")[0])}\n'
    outside.write("studies/neighbour.py", made)
    shutil.copy(ROOT / "raypipe/run/envs/andi.txt", outside.folder / "studies/packages.txt")
    bin_folder = outside.environment["PATH"].split(":")[0]
    run = subprocess.run(
        [
            *("ray", "job", "submit", "--working-dir", "."),
            *("--runtime-env-json", f'{{"env_vars": {{"RAYPIPE_STORE": "{store_root}"}}}}'),
            *("--", f"{bin_folder}/raypipe", "generate", "--study", "studies/mine.py", "--split", "all"),
        ],
        cwd=outside.folder,
        env=outside.environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    found = catalog.open("mine/all")
    assert found.x.values.tolist() == [1, 2, 3, 4], "with numpy 1.26, of the study's environment"
    assert found.attrs["environment"] == "packages.txt"
    assert found.attrs["versions"]["numpy"] == "1.26.4"


@pytest.mark.parametrize(
    ("imports", "result", "message"),
    [
        ("", '{"x": 1 / (a - 2)}', "ZeroDivisionError: division by zero at a = 2"),
        (
            "import os\n    os.path.exists('here') or __import__('no_such_module')",
            '{"x": 1.0}',
            "No module named",
        ),
    ],
    ids=["exception", "import"],
)
def test_errors_are_the_users_own(outside, imports, result, message):
    outside.write("mine.py", STUDY.format(imports=imports, result=result, options="per_shard=2"))
    if imports:
        (outside.folder / "here").touch()  # exists when the job plans, but is not sent to the workers
        (outside.folder / ".rayignore").write_text("here\n")
    _, said = outside.call("generate --study mine.py --split all", code=1)
    shown = [line for line in said.splitlines() if "samples (" not in line]
    everywhere = "mine/all: 2 of 2 shards failed (0, 1); run the same command to retry what is missing. The first: "
    assert shown[0].startswith(f"error: {everywhere if imports else ''}mine/all, shard ")
    assert message in said
    assert "ray/" not in said
    assert "lost" not in said
    assert len(shown) < 20
    assert "mine.py" in said
