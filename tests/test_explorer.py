"""The page for exploring stores, in a real browser: it describes the sample that was clicked."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import parabola
import pytest
from explored_root import PARABOLA, make_root
from playwright.sync_api import expect
from ports import free_ports
from without_ray import job

from raypipe import command

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
QUIET = ("no-sandbox", "disable-gpu", "no-first-run", "disable-sync")
SILENT = ("disable-background-networking", "disable-component-update")
COMMAND = (sys.executable, "-c", "from raypipe.command import raypipe; raypipe()", "explore", "--no-show")

needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="there is no chromium; install Debian's package chromium")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_root(tmp_path_factory.mktemp("explored"))


class Server:
    """`raypipe explore` for a root, as a separate process."""

    def __init__(self, root, *flags):
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}/"
        self.process = subprocess.Popen(
            [*COMMAND, "--port", str(port), *flags],
            env={**os.environ, "RAYPIPE_STORE": str(root)},
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self.process.stdout.readline().strip() == self.url
        self.answers()

    def answers(self):
        end = time.monotonic() + 60
        while True:
            try:
                return urllib.request.urlopen(self.url, timeout=30).read().decode()
            except OSError:
                assert time.monotonic() < end
                assert self.process.poll() is None
                time.sleep(0.2)

    def end(self):
        self.process.terminate()
        self.process.communicate(timeout=30)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_server_says_nothing_but_its_address(root, tmp_path, monkeypatch, number, code):
    with (tmp_path / "said").open("w+") as said:
        monkeypatch.setattr(subprocess, "DEVNULL", said)
        found = Server(root, "--no-show")
        found.process.send_signal(number)
        assert found.process.wait(30) == code
        said.seek(0)
        assert said.read() == ""


def test_the_end_does_not_wait_for_a_request_in_progress():
    program = "import time; from raypipe.explorer import work; f = work.ask(time.sleep, 3600); " + (
        "time.sleep(1); work.end(); print(type(f.exception()).__name__)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "BrokenProcessPool\n", "")


@pytest.fixture(scope="module")
def server(root):
    found = Server(root, "--study", PARABOLA)
    yield found
    found.end()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=[f"--{one}" for one in (*QUIET, *SILENT)])
        yield found
        found.close()


@pytest.fixture
def asked():
    """Collect every address that the page requested."""
    return []


@pytest.fixture
def page(browser, asked):
    found = browser.new_page(viewport={"width": 1360, "height": 1100})
    found.on("request", lambda request: asked.append(request.url))
    found.set_default_timeout(30_000)
    yield found
    found.close()
    assert asked
    assert all(re.match(r"(http|ws)://127\.0\.0\.1[:/]|data:|blob:", one) for one in asked), (
        "nothing leaves the machine"
    )


# Position of a point of the plane in the browser window.
PLACE = """
([x, y]) => {
  const [plot] = [...Bokeh.index.query((view) => view.model.type === "Figure")];
  const box = plot.canvas_view.el.getBoundingClientRect(), frame = plot.frame;
  return [box.left + frame.x_scale.compute(x), box.top + frame.y_scale.compute(y)];
}
"""


def click_at(page, x, y):
    page.wait_for_timeout(400)  # two quick clicks would count as a double click
    page.mouse.click(*page.evaluate(PLACE, [x, y]))


def opened(page, url):
    page.goto(url)
    page.locator("p.sample").first.wait_for()
    return page


def told(page, text):
    """Wait until the page shows the sample with this text and its picture; then the page no longer shifts."""
    page.locator("p.sample", has_text=text).first.wait_for()
    page.locator(f'img[alt*="{text}"]').first.wait_for()


@needs_chromium
def test_a_click_on_a_cell_tells_what_is_there(page, server):
    opened(page, server.url)
    page.locator("canvas").first.wait_for()
    page.wait_for_function("window.Bokeh && [...Bokeh.index.query((v) => v.model.type === 'Figure')].length")
    for a, b, name in ((0.25, 0.75, "island"), (0.5, 0.125, "below"), (1.0, 1.0, "above")):
        click_at(page, a + 0.03, b - 0.03)
        seed = 1000 + round(8 * a) * 9 + round(8 * b)
        told(page, f"a = {a:g}, b = {b:g}, seed = {seed}: {name}, ")
        assert f"sample={seed - 1000}" in page.url


@needs_chromium
def test_neighbours_can_be_clicked_and_the_keyboard_moves_on(page, server):
    opened(page, f"{server.url}?sample=0")
    told(page, "a = 0, b = 0, ")
    page.locator(".tiles button").nth(2).click()
    told(page, "a = 0.125, b = 0, ")
    page.get_by_role("combobox", name="a", exact=True).focus()
    page.keyboard.press("ArrowDown")
    told(page, "a = 0.25, b = 0, ")
    button = page.locator(".tiles button").first
    button.focus()
    page.keyboard.press("Enter")
    told(page, "b = 0.125, ")


@needs_chromium
def test_the_address_has_what_is_chosen(page, server):
    opened(page, f"{server.url}?sample=20&colour=confidence&tab=0")
    told(page, "a = 0.25, b = 0.25, ")
    assert page.get_by_role("button", name="confidence").get_attribute("class")
    page.get_by_role("button", name="class", exact=True).click()
    page.wait_for_url(re.compile("colour=class"))
    page.reload()
    told(page, "a = 0.25, b = 0.25, ")
    opened(page, f"{server.url}?sample=21&tab=9")  # as from somebody with more studies
    told(page, "a = 0.25, b = 0.375, ")


@needs_chromium
def test_a_sample_is_simulated_and_explained_when_that_is_asked_for(page, server):
    opened(page, f"{server.url}?sample=0")
    told(page, "a = 0, b = 0, ")
    for place, value in enumerate(("0.2", "0.74")):
        field = page.locator("input[type=text]").nth(place)
        field.fill(value)
        field.press("Enter")
    page.get_by_role("button", name="Simulate here").click()
    # TensorFlow is loaded first, which takes long on a busy machine.
    page.locator("p.simulated", has_text="simulated at a = 0.2, b = 0.74: island").wait_for(timeout=120_000)
    page.get_by_role("button", name="Explain").click()
    page.locator("p[role=alert]", has_text="raypipe explain --network sharp --split scan --samples 0").wait_for()
    page.goto(f"{server.url}?tab=3&gray_scott-sample=2")
    told(page, "k = 0.0466667, f = 0.0366667: ")
    page.get_by_role("button", name="Explain").click()
    page.get_by_alt_text("what speaks for its class").wait_for()


@needs_chromium
def test_samples_of_a_class_are_side_by_side(page, server):
    opened(page, f"{server.url}?tab=1")
    page.get_by_label("class").select_option(label="island")
    count = int((parabola.class_of(*np.meshgrid(*[np.linspace(0, 1, 9)] * 2)) == 2).sum())
    page.locator("p.count", has_text=f"{count} samples, page 1 of 1").wait_for()
    tiles = page.locator(".tiles button")
    expect(tiles).to_have_count(count)
    assert all("island" in one for one in tiles.all_inner_texts())
    tiles.first.click()
    told(page, ": island, ")


@needs_chromium
def test_trajectories_have_their_relevance_in_colour(page, server):
    opened(page, f"{server.url}?tab=2")
    page.get_by_label("noise").select_option(label="0.1")
    page.locator("p.count", has_text="5 samples").wait_for()
    page.locator(".tiles button").first.click()
    told(page, ", noise = 0.1: ")
    page.get_by_role("button", name="Explain").click()
    page.get_by_alt_text("what speaks for its class").wait_for()


@needs_chromium
def test_networks_can_be_sorted_and_chosen(page, server):
    page.goto(f"{server.url}?tab=4")
    page.locator(".tabulator-cell", has_text="andi-study").click()
    page.locator("p.network", has_text="andi-study, ").wait_for()
    page.get_by_alt_text("loss and accuracy of andi-study after each epoch").wait_for()
    page.get_by_alt_text("confusion matrix of predictions/andi-study/test").wait_for()
    assert "network=andi-study" in page.url


@needs_chromium
def test_a_network_of_a_grid_is_chosen_by_its_cell(page, server):
    page.goto(f"{server.url}?tab=4")
    page.locator("canvas").first.wait_for()
    page.wait_for_function("window.Bokeh && [...Bokeh.index.query((v) => v.model.type === 'Figure')].length")
    click_at(page, "4", "132")
    page.locator("p.network", has_text="132-4, ").wait_for()


@needs_chromium
@pytest.mark.parametrize("tab", range(5))
def test_everybody_can_use_it(page, server, tab):
    """Accessibility as checked by axe-core: names of controls, contrast, order."""
    from axe_playwright_python.sync_playwright import Axe

    page.goto(f"{server.url}?tab={tab}&sample=20")
    page.locator("p.sample").or_(page.locator(".tabulator-cell", has_text="andi-study")).first.wait_for()
    page.wait_for_timeout(1000)
    found = Axe().run(page).response["violations"]
    of_the_table = {"aria-required-children", "empty-table-header"} if tab == 4 else set()  # issues of Tabulator itself
    others = [one for one in found if one["id"] not in of_the_table]
    assert [(one["id"], [node["html"][:200] for node in one["nodes"]][:3]) for one in others] == []


@needs_chromium
def test_an_empty_store_says_how_to_begin(page, tmp_path):
    root = tmp_path / "nothing"
    server = Server(root)
    try:
        for made in (False, True):
            if made:
                root.mkdir()
            page.goto(f"{server.url}?tab=3")
            page.get_by_role("heading", name="There is nothing to explore yet").wait_for()
            assert page.get_by_text("make demo").count()
    finally:
        server.end()


@pytest.mark.parametrize(("port", "message"), [("0", "or equal to 1"), ("99999", "less than or equal to 65535")])
def test_what_is_no_port_is_told(port, message, capsys):
    with pytest.raises(SystemExit) as end:
        command.run(job("explore"), ["--port", port])
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(server):
    port = server.url.rpartition(":")[2].strip("/")
    run = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr.startswith(f"error: port {port} of this machine is taken")
    assert run.stderr.count("\n") == 1


@needs_chromium
@pytest.mark.slow
def test_a_file_of_tracks_is_classified(page, server):
    page.goto(f"{server.url}?tab=2")
    page.set_input_files("input[type=file]", Path(__file__).parent.parent / "examples" / "tracks.csv")
    page.locator("p.file", has_text="tracks: 40 in 2-D").wait_for(timeout=300_000)
    tracks = page.frame_locator("iframe")
    tracks.get_by_role("heading", name="Tracks", exact=True).wait_for()


@needs_chromium
@pytest.mark.parametrize("megabytes", [0, 20])
def test_a_file_that_is_none_is_told(page, server, tmp_path, megabytes):
    other = tmp_path / "(1) notes.csv"
    other.write_text("nothing,of,that\n1,2,3\n" + 10**6 * megabytes * "4")
    page.goto(f"{server.url}?tab=2")
    page.set_input_files("input[type=file]", other)
    page.locator("p[role=alert]", has_text="notes.csv").wait_for(timeout=60_000)
