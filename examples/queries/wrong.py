"""Samples that a network gets wrong, the most confident mistakes first, with their parameters.

python examples/queries/wrong.py predictions/andi-study/test
"""

from raypipe import catalog
from raypipe.command import run
from raypipe.errors import InputError
from raypipe.networks.inputs import by_label


def main(source: str) -> None:
    found = catalog.search("predictions", data_sets=[source])
    opened = by_label(catalog.open(source))  # in the classes of the labels, where the network's are finer
    found["predicted"] = opened["predicted"].values
    found["probability"] = opened["probability"].values.max(axis=1)
    found = found[found["label"] >= 0]  # others are of a class that the network does not have
    if found.empty:
        raise InputError(f"no sample of {source} has a label; expected predictions for labelled data")
    found["true"], found["class"] = (opened["class"].values[found[one]] for one in ("label", "predicted"))
    wrong = found[found["predicted"] != found["label"]].sort_values("probability", ascending=False)
    print(f"{len(wrong)} of {len(found)} samples are taken for another class")
    print(wrong.drop(columns=["data_set", "predicted", "label"]).head(20).to_string(index=False))
    wrong.to_csv("wrong.csv", index=False)
    print("written: wrong.csv")


run(main)
