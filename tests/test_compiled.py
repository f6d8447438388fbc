"""Functions that are compiled with numba."""

from raypipe.compiled import compiled


def test_without_a_place_for_a_cache_functions_are_compiled_all_the_same():
    names = {}
    exec("def double(x): return 2 * x", names)  # no file, beside which numba would keep its machine code
    double = compiled()(names["double"])
    assert double(21) == 42
    assert double.nopython_signatures
