"""Mean-squared displacement of each model and exponent against theory, t^α: the slope measured against α, as a picture.

python examples/queries/displacement.py andi/train
"""

import numpy as np
import pandas as pd

from raypipe import catalog
from raypipe.command import run
from raypipe.studies.andi.diffusion import ANDI_MODELS


def main(source: str) -> None:
    data = catalog.open(source)
    lags = np.unique(np.geomspace(10, data.sizes["time"] - 1, 12).astype(int))
    moved = pd.DataFrame(np.square(data.position.values[:, lags] - data.position.values[:, :1]))
    mean = moved.groupby([np.array(ANDI_MODELS)[data.label], data.exponent.values.round(2)]).mean()
    slopes = pd.Series(np.polyfit(np.log(lags), np.log(mean.T), 1)[0], mean.index)
    for model, of in slopes.groupby(level=0):
        print(model, " ".join(f"{alpha:.2f}: {slope:.2f}" for (_, alpha), slope in of.items()))
    axes = slopes.unstack(0).plot(style="o", markersize=4, figsize=(5, 4))
    axes.plot([0, 2], [0, 2], "k:", linewidth=1)
    axes.set(xlabel="anomalous exponent α", ylabel="slope of the mean-squared displacement")
    axes.figure.savefig("displacement.png", dpi=120)
    print("written: displacement.png")


run(main)
