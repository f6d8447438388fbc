"""Samples that a network gets wrong, the surest mistakes first, with what they were made with.

python examples/queries/wrong.py predictions/andi-study/test
"""

import sys

from raypipe import catalog

found = catalog.search("predictions", data_sets=[sys.argv[1]])
opened = catalog.open(sys.argv[1])
classes = opened["class"].values
found["probability"] = opened["probability"].values.max(axis=1)
found["true"] = classes[found["label"]]
wrong = found[found["predicted"] != found["label"]].sort_values("probability", ascending=False)
print(f"{len(wrong)} of {len(found)} samples are taken for another class")
print(wrong.drop(columns=["data_set", "predicted", "label"]).head(20).to_string(index=False))
wrong.to_csv("wrong.csv", index=False)
