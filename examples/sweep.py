"""Where is the driven pendulum chaotic? A sweep over two parameters, and a picture of it.

    raypipe generate --study sweep.py --split scan
    raypipe draw --study sweep.py

After this, `raypipe.catalog.open("pendulum/scan")` returns the sweep as an xarray data set.
"""

import numpy as np
from matplotlib.figure import Figure
from numba import njit

from raypipe.plan import Output, product, simulations
from raypipe.study import DataSet, Picture, Study


@njit
def section(drive, damping, periods=300, steps=100):
    """Angular velocity, once per period, in the last 100 periods of a drive of frequency 2/3."""
    angle, velocity, step, found = 0.2, 0.0, 3 * np.pi / steps, np.empty(periods)
    for number in range(periods * steps):
        velocity += step * (drive * np.cos(2 / 3 * step * number) - damping * velocity - np.sin(angle))
        angle += step * velocity
        found[number // steps] = velocity
    return found[-100:]


def simulate(drive, damping):
    return {"velocity": section(drive, damping)}


def draw(scan):
    spread = scan.velocity.std("period").set_xindex(["damping", "drive"]).unstack("sample")
    figure = Figure(layout="constrained")
    spread.plot(ax=figure.add_subplot(), cbar_kwargs={"label": "spread of the velocity, once per period"})
    return figure


points = product(damping=np.linspace(0.3, 1, 71), drive=np.linspace(0.9, 1.6, 71))
scan = simulations(simulate, points, {"velocity": Output(("period",), (100,))})
STUDY = Study("pendulum", {"scan": DataSet(scan, labelled=False)}, pictures=(Picture("scan", draw),))
