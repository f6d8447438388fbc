"""Compare two classifications of one scan: how often they agree, and a cross table of their classes.

python examples/queries/compare.py predictions/pattern-2d/scan predictions/shipped/pattern-2d-second/scan
"""

import pandas as pd

from raypipe import catalog
from raypipe.command import run


def main(first: str, second: str) -> None:
    one, other = (catalog.search("predictions", data_sets=[name]) for name in (first, second))
    same = one["class"].to_numpy() == other["class"].to_numpy()
    print(f"the same class for {same.sum()} of {len(same)} samples, {same.mean():.1%}")
    table = pd.crosstab(one["class"], other["class"].to_numpy(), rownames=[first], colnames=[second])
    print(table.to_string())
    one[~same].assign(other=other["class"][~same]).to_csv("differences.csv", index=False)
    print("written: differences.csv")


run(main)
