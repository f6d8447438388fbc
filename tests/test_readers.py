"""tensorstore, zarrs and zarr read every array of every kind of store bit for bit."""

import numpy as np
import pytest
import tensorstore
import tiny_results
import xarray
import zarr
from hypothesis import given
from hypothesis import strategies as st

from raypipe import catalog, store
from raypipe.store.texts import decoded, encoded

KINDS = {
    "andi/test": tiny_results.trajectories,
    "gray_scott/test": tiny_results.patterns,
    "predictions/pattern-2d-second/scan": tiny_results.scan_predictions,
    "saliency/pattern-2d/test": tiny_results.saliency,
    "refined/pattern-2d-second/scan/first-001342": tiny_results.refined,
}


@pytest.mark.parametrize("name", KINDS)
def test_other_readers_find_the_same_values(name):
    tiny_results.write(name, KINDS[name](), shards=2, source="another")
    folder = store.location(name)
    group = zarr.open_group(folder, mode="r")
    expected = {key: array[...] for key, array in group.arrays()}
    assert len(expected) > 2
    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
        by_zarrs = {key: array[...] for key, array in zarr.open_group(folder, mode="r").arrays()}
    for key, values in expected.items():
        at = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{folder}/{key}/"}}
        by_tensorstore = tensorstore.open(at, read=True).result().read().result()
        for found in (by_tensorstore, by_zarrs[key]):
            assert found.dtype == values.dtype
            np.testing.assert_array_equal(found, values)


def test_texts_are_texts_for_those_who_use_raypipe_and_numbers_with_names_for_others():
    name = "predictions/pattern-2d-second/scan"
    tiny_results.write(name, tiny_results.scan_predictions())
    plain, ours = xarray.open_zarr(store.location(name), consolidated=True), catalog.open(name)
    names = plain["class"].attrs["names"]
    assert ours["class"].values.tolist() == [names[number] for number in plain["class"].values] == names
    assert plain["class"].attrs["flag_meanings"].split() == names
    assert ours.sel({"class": "pi"})["probability"].dims == ("sample",)
    assert store.verify(name).sound


@given(st.lists(st.text(max_size=5), max_size=20))
def test_texts_come_back(texts):
    values = np.array(texts, dtype="U")
    codes, attributes = encoded(values, {"long_name": "text"})
    assert codes.dtype == "int64"
    assert decoded(codes, attributes).tolist() == values.tolist()


@pytest.mark.parametrize("number", [-1, 2])
def test_a_number_without_a_text_is_told(number):
    with pytest.raises(IndexError):
        decoded(np.array([0, number]), {"names": ["l", "h"]})
