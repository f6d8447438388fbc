"""A study from end to end: a network that distinguishes the states of the Brusselator, compared with linear theory.

    raypipe generate --study brusselator.py --split train      # also val, test and scan
    raypipe train_network --study brusselator.py --network small
    raypipe classify_scan --study brusselator.py --network small    # or, at a quarter of the cost, refine_scan
    raypipe draw --study brusselator.py

    du/dt = A - (B + 1) u + u² v + D_u ∇²u        dv/dt = B u - u² v + D_v ∇²v

on a periodic square, from the homogeneous state u = A, v = B/A with a little noise. The network is trained on points
(A, B) where linear stability analysis determines the state; the scan covers the whole plane.
"""

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numba import njit

from raypipe.networks.architecture import Architecture, stack
from raypipe.plan import Output, product, simulations
from raypipe.study import DataSet, Picture, Sample, Study

D_U, D_V, SIZE, STEP, BEFORE, WATCHED, EVERY = 1.0, 3.0, 48, 0.01, 100, 30, 0.5
CLASSES, COLOURS = ("steady", "oscillating", "stationary-pattern"), ("#d9d9d9", "#e69f00", "#0072b2")
WINDOW = {"A": (0.8, 2.6), "B": (1.0, 6.0)}


@njit
def integrate(u, v, a, b, steps):
    size = u.shape[0]
    for _ in range(steps):
        old_u, old_v = u.copy(), v.copy()
        for y in range(size):
            for x in range(size):
                spread_u, spread_v = -4 * old_u[y, x], -4 * old_v[y, x]
                for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
                    spread_u += old_u[(y + dy) % size, (x + dx) % size]
                    spread_v += old_v[(y + dy) % size, (x + dx) % size]
                reaction = old_u[y, x] ** 2 * old_v[y, x]
                u[y, x] += STEP * (a - (b + 1) * old_u[y, x] + reaction + D_U * spread_u)
                v[y, x] += STEP * (b * old_u[y, x] - reaction + D_V * spread_v)


def simulate(A, B, seed):
    random = np.random.default_rng(seed)
    u, v = (mean + 0.01 * random.standard_normal((SIZE, SIZE)) for mean in (A, B / A))
    integrate(u, v, A, B, round(BEFORE / STEP))
    least, largest = u.copy(), u.copy()
    for _ in range(round(WATCHED / EVERY)):
        integrate(u, v, A, B, round(EVERY / STEP))
        least, largest = np.minimum(least, u), np.maximum(largest, u)
    return {"u": np.stack([u, least, largest], axis=-1)}


def growth(A, B):
    """Growth rates of the uniform oscillation (Hopf) and of the fastest stationary pattern (Turing)."""
    k2 = np.linspace(0.02, 8, 400)
    trace = B - 1 - A**2 - (D_U + D_V) * k2
    determinant = (B - 1 - D_U * k2) * (-(A**2) - D_V * k2) + B * A**2
    root = trace**2 / 4 - determinant
    return (B - 1 - A**2) / 2, np.max(trace / 2 + np.sqrt(root.clip(0)), where=root > 0, initial=-np.inf)


def decided(A, B, margin=0.05):
    """Number of the class that linear theory predicts, -1 where two states compete or growth is slow."""
    hopf, turing = growth(A, B)
    if min(abs(hopf), abs(turing)) < margin or (hopf > 0 and turing > 0):
        return -1
    return 1 if hopf > 0 else 2 if turing > 0 else 0


def labelled(first_seed, per_class):
    """Points drawn at random, the same number of each class."""
    a, b = np.random.default_rng(first_seed).uniform(*np.transpose([WINDOW["A"], WINDOW["B"]]), (400 * per_class, 2)).T
    label = np.array([decided(*point) for point in zip(a, b, strict=True)])
    chosen = np.sort(np.concatenate([np.flatnonzero(label == one)[:per_class] for one in range(len(CLASSES))]))
    points = {"A": a[chosen], "B": b[chosen], "seed": first_seed + chosen}
    return simulations(simulate, points, FIELD, label=label[chosen], classes=CLASSES)


def scan(points: int = 41):
    plane = product(A=np.linspace(*WINDOW["A"], points), B=np.linspace(*WINDOW["B"], points))
    return simulations(simulate, {**plane, "seed": 10**6 + np.arange(points**2)}, FIELD)


def phase_diagram(predictions):
    """Draw the network's classes of the scan, with the lines of theory over them."""
    theory = np.array([decided(a, b) for a, b in zip(predictions.A.values, predictions.B.values, strict=True)])
    agreement = (predictions.predicted.values == theory)[theory >= 0].mean()
    figure = Figure(layout="constrained")
    axes = figure.add_subplot()
    plane = predictions.predicted.set_xindex(["B", "A"]).unstack("sample")
    axes.pcolormesh(plane.A, plane.B, plane, cmap=ListedColormap(COLOURS), vmin=0, vmax=len(CLASSES) - 1)
    for name, colour in zip(CLASSES, COLOURS, strict=True):
        axes.plot([], [], "s", color=colour, label=name)
    a = np.linspace(*WINDOW["A"])
    axes.plot(a, 1 + a**2, "k-", label="Hopf: $B = 1 + A^2$")
    axes.plot(a, (1 + a * np.sqrt(D_U / D_V)) ** 2, "k--", label=r"Turing: $B = (1 + A\sqrt{D_u/D_v})^2$")
    figure.legend(loc="outside upper center", ncols=3)
    axes.set(xlabel="A", ylabel="B", xlim=WINDOW["A"], ylim=WINDOW["B"])
    axes.set_title(f"as theory says at {agreement:.1%} of the {np.sum(theory >= 0)} points where it decides")
    return figure


FIELD = {"u": Output(("y", "x", "view"), (SIZE, SIZE, 3), "float32", long_name="u: last, least, largest while watched")}
SMALL = Architecture(
    name="small",
    study="brusselator",
    input_shape=(SIZE, SIZE, 3),
    classes=CLASSES,
    layers=stack(
        ("Conv2D", {"filters": 16, "kernel_size": 5, "strides": 2, "activation": "relu"}),
        ("Conv2D", {"filters": 32, "kernel_size": 3, "strides": 2, "activation": "relu"}),
        ("GlobalMaxPooling2D", {}),
        ("Dense", {"units": 32, "activation": "relu"}),
        ("Dense", {"units": len(CLASSES), "activation": "softmax"}),
    ),
)
STUDY = Study(
    name="brusselator",
    data_sets={
        "train": DataSet(lambda per_class=60: labelled(0, per_class)),
        "val": DataSet(lambda per_class=20: labelled(100_000, per_class)),
        "test": DataSet(lambda per_class=30: labelled(200_000, per_class)),
        "scan": DataSet(scan, labelled=False),
    },
    sample=Sample("u", ("sample", "y", "x", "view"), prepare=lambda u: u - u.mean(axis=(1, 2, 3), keepdims=True)),
    networks=(SMALL,),
    pictures=(
        Picture("predictions/*/scan", phase_diagram, "States of the Brusselator, as the network names them."),
        Picture("predictions/*/scan", "raypipe.report.scan:confidence"),
    ),
)
