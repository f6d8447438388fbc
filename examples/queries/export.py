"""Export a class of a labelled data set as a NetCDF and a NumPy file, for programs that read neither Zarr nor names.

python examples/queries/export.py gray_scott/train mu
"""

import sys

import numpy as np

from raypipe import catalog

source, name = sys.argv[1:]
samples = catalog.search(classes=[name], data_sets=[source])["sample"].to_numpy()
data = catalog.open(source).isel(sample=samples).load()
plain = {key: value for key, value in data.attrs.items() if isinstance(value, str | int | float)}
data.attrs = plain  # NetCDF has no nested attributes
for variable in data.variables.values():
    variable.attrs = {key: value for key, value in variable.attrs.items() if isinstance(value, str | int | float)}
np.savez(f"{name}.npz", **{str(key): one.values for key, one in data.variables.items()})
for key in list(data.variables):  # NetCDF's integers have 32 bits; seeds may need more
    if data[key].dtype.kind in "iu" and data[key].size:
        most = int(abs(data[key]).max())
        data[key] = data[key].astype("int32" if most < 2**31 else "float64" if most < 2**53 else "str")
data.to_netcdf(f"{name}.nc", engine="scipy")
print(f"{len(samples)} samples in {name}.nc and {name}.npz")
