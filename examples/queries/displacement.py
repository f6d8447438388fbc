"""Mean-squared displacement of each model and exponent against theory, t^α: the slope measured against α, as a picture.

python examples/queries/displacement.py andi/train
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

from raypipe import catalog
from raypipe.studies.andi.diffusion import ANDI_MODELS

data = catalog.open(sys.argv[1])
lags = np.unique(np.geomspace(10, data.sizes["time"] - 1, 12).astype(int))
moved = np.square(data.position.values[:, lags] - data.position.values[:, :1])
label, exponent = data.label.values, data.exponent.values.round(2)
figure, axes = plt.subplots(figsize=(5, 4))
for number, model in enumerate(ANDI_MODELS):
    slopes = {}
    for alpha in np.unique(exponent[label == number]):
        mean = moved[(label == number) & (exponent == alpha)].mean(axis=0)
        slopes[alpha] = np.polyfit(np.log(lags), np.log(mean), 1)[0]
    print(model, " ".join(f"{alpha:.2f}: {slope:.2f}" for alpha, slope in slopes.items()))
    axes.plot([*slopes], [*slopes.values()], "o", markersize=4, label=model)
axes.plot([0, 2], [0, 2], "k:", linewidth=1)
axes.set(xlabel="anomalous exponent α", ylabel="slope of the mean-squared displacement")
axes.legend()
figure.savefig("displacement.png", dpi=120)
