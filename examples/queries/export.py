"""Export a class of a labelled data set as a NetCDF and a NumPy file, for programs that read neither Zarr nor names.

python examples/queries/export.py gray_scott/train mu
"""

import numpy as np

from raypipe import catalog
from raypipe.command import run


def main(source: str, name: str) -> None:
    samples = catalog.search(classes=[name], data_sets=[source])["sample"].to_numpy()
    data = catalog.open(source).isel(sample=samples).load()
    for one in (data, *data.variables.values()):  # NetCDF has no nested attributes
        one.attrs = {key: value for key, value in one.attrs.items() if isinstance(value, str | int | float)}
    np.savez(f"{name}.npz", **{str(key): one.values for key, one in data.variables.items()})
    for key in list(data.variables):  # NetCDF's integers have 32 bits; seeds may need more
        if data[key].dtype.kind in "iu" and data[key].size:
            most = int(abs(data[key]).max())
            data[key] = data[key].astype("int32" if most < 2**31 else "float64" if most < 2**53 else "str")
    data.to_netcdf(f"{name}.nc", engine="scipy")
    print(f"{len(samples)} samples written: {name}.nc, {name}.npz")


run(main)
