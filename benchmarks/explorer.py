"""How fast does the explorer show a scan, and respond to a click? Measured in a real browser, for scans of two sizes.

    RAYPIPE_STORE=store python benchmarks/explorer.py --predictions predictions/shipped/pattern-2d-second/scan

Opens the page of these predictions, and that of a scan of 10⁵ points that is written for this benchmark, in headless
Chromium. The results are the median times from opening the address to the plane, and from a click to the picture and
text of the sample. The goals are 2 s and 300 ms for either scan.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import typer
from measure import print_row

from raypipe import store
from raypipe.command import run
from raypipe.errors import InputError
from raypipe.store import Coordinate, Plan, Variable, objects

LARGE, LARGE_SCAN = "predictions/large/scan-large", "gray_scott/scan-large"

_FLAGS = ("no-sandbox", "disable-gpu", "no-first-run", "disable-sync", "disable-background-networking")

# The plane is shown when its view exists; a sample, when the picture that has its text as alt text is loaded.
_PLANE = "() => window.Bokeh && [...Bokeh.index.query((view) => view.model.type === 'Figure')].length > 0"
_PLACE = """([x, y]) => {
  const [plot] = [...Bokeh.index.query((view) => view.model.type === "Figure")];
  const box = plot.canvas_view.el.getBoundingClientRect(), frame = plot.frame;
  return [box.left + frame.x_scale.compute(x), box.top + frame.y_scale.compute(y)];
}"""
_SHOWN = """(start) => {
  const all = [], walk = (node) => {
    for (const one of node.querySelectorAll("*")) { all.push(one); if (one.shadowRoot) walk(one.shadowRoot); }
  };
  walk(document);
  const said = all.find((one) => one.matches("p.sample"));
  return said && said.textContent.startsWith(start)
    && all.some((one) => one.matches("img") && one.alt === said.textContent && one.complete);
}"""


def write_large(side: int = 316) -> None:
    """Write a scan of side × side points with small fields, and predictions of it in stripes."""
    k, f = (one.ravel() for one in np.meshgrid(*[np.linspace(0.03, 0.07, side)] * 2))
    points, classes = side * side, ["a", "b", "c", "d"]
    coordinates = {"k": Coordinate(("sample",), k), "f": Coordinate(("sample",), f)}
    fields = {"u": Variable(("sample", "y", "x", "frame"), (points, 16, 16, 1), "float32", (1, 16, 16, 1))}
    said = {
        "predicted": Variable(("sample",), (points,), "int64", (points,)),
        "probability": Variable(("sample", "class"), (points, 4), "float32", (points, 4)),
    }
    predicted = (np.arange(points) // side // 20) % 4
    of = {"network": "large", "source": LARGE_SCAN}
    for plan, arrays in (
        (Plan(LARGE_SCAN, points, 1000, fields, coordinates, {}), {"u": np.full((points, 16, 16, 1), 0.5, "float32")}),
        (
            Plan(LARGE, points, points, said, {**coordinates, "class": Coordinate(("class",), classes)}, of),
            {"predicted": predicted, "probability": np.eye(4, dtype="float32")[predicted]},
        ),
    ):
        store.create(plan, {})
        for shard in range(plan.shards):
            bounds = plan.bounds(shard)
            own = {name: values[bounds] for name, values in arrays.items()}
            store.write_shard(plan.name, shard, bounds, own, seeds=None, seconds=0, attempt="benchmark")
        store.mark(plan.name, hosts=1)


def timed(root: str, name: str, clicks: int) -> tuple[float, float]:
    """Return the median seconds until the plane of some predictions is shown, and from a click to the sample."""
    from playwright.sync_api import sync_playwright

    port = 5997
    command = [sys.executable, "-c", "from raypipe.command import raypipe; raypipe()", "explore", "--no-show"]
    server = subprocess.Popen(
        [*command, "--port", str(port)],
        env={**os.environ, objects.ROOT_VARIABLE: root}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert server.stdout
    url = server.stdout.readline().strip()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=[f"--{one}" for one in _FLAGS]
            )
            page = browser.new_page(viewport={"width": 1360, "height": 1000})
            opened = []
            for _ in range(4):
                time.sleep(1)
                began = time.perf_counter()
                page.goto(f"{url}?plane={name}", wait_until="commit")
                page.wait_for_function(_PLANE)
                opened.append(time.perf_counter() - began)
            return median(opened[1:]), _clicked(page, root, name, clicks)
    finally:
        server.terminate()
        server.wait()


def _clicked(page: Any, root: str, name: str, clicks: int) -> float:
    os.environ[objects.ROOT_VARIABLE] = root
    predictions = store.open(name)
    seconds = []
    for number in np.random.default_rng(0).choice(predictions.sizes["sample"], clicks + 1, replace=False):
        k, f = (float(predictions[axis].values[number]) for axis in ("k", "f"))
        time.sleep(1)
        place = page.evaluate(_PLACE, [k, f])
        began = time.perf_counter()
        page.mouse.click(*place)
        page.wait_for_function(_SHOWN, arg=f"k = {k:g}, f = {f:g}")
        seconds.append(time.perf_counter() - began)
    return median(seconds[1:])


def main(
    predictions: Annotated[str, typer.Option(help="Of a scan over k and f, in the store.")] = (
        "predictions/shipped/pattern-2d-second/scan"
    ),
    clicks: Annotated[int, typer.Option(help="How many are timed.")] = 20,
) -> None:
    """Measure how fast the explorer shows a scan and answers a click."""
    if not shutil.which("chromium"):
        raise InputError("there is no chromium; install Debian's package chromium")
    root = objects.root()
    print_row("scan", "plane, s", "click, ms")
    first, click = timed(root, predictions, clicks)
    print_row(f"{store.plan_of(predictions).samples} points", f"{first:.2f}", f"{1e3 * click:.0f}")
    with tempfile.TemporaryDirectory() as folder:
        os.environ[objects.ROOT_VARIABLE] = str(Path(folder) / "store")
        write_large()
        of_large, click_large = timed(os.environ[objects.ROOT_VARIABLE], LARGE, clicks)
    print_row("99856 points", f"{of_large:.2f}", f"{1e3 * click_large:.0f}")
    print(
        f"plane_seconds={first:.2f} click_ms={1e3 * click:.0f} "
        f"large_plane_seconds={of_large:.2f} large_click_ms={1e3 * click_large:.0f}"
    )


if __name__ == "__main__":
    run(main)
