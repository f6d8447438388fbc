"""All patterns of a class in a window of the parameters, as a table and a picture.

python examples/queries/class_in_window.py mu 0.060 0.066 0.040 0.060
"""

import matplotlib.pyplot as plt

from raypipe import catalog
from raypipe.command import run


def main(name: str, k_least: float, k_most: float, f_least: float, f_most: float) -> None:
    found = catalog.search("patterns", classes=[name], k=(k_least, k_most), f=(f_least, f_most))
    print(found[["data_set", "sample", "class", "k", "f"]].to_string(index=False))
    figure, axes = plt.subplots(1, max(1, min(6, len(found))), figsize=(12, 2.4), squeeze=False)
    for axis, (_, one) in zip(axes[0], found.iterrows(), strict=False):
        axis.imshow(catalog.open(one["data_set"]).u[one["sample"], :, :, -1], cmap="gray")
        axis.set_title(f"k = {one['k']:.4f}, f = {one['f']:.4f}", fontsize=8)
        axis.set_axis_off()
    figure.savefig("class_in_window.png", dpi=120)
    print("written: class_in_window.png")


run(main)
