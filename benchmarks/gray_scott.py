"""How fast is the Gray-Scott integrator? Compare it with plain NumPy, plain C and, if it is installed, py-pde.

    python benchmarks/gray_scott.py [rounds]

All of them solve the same problem (128 x 128, Δt = 0.25, 9-point Laplacian) from the same fields with the same result.
They alternate, so that a change of the machine's load affects all of them; the figures are medians. Ratios say how many
times faster raypipe is than NumPy and C in the same precision; numpy64_ratio_f32 compares raypipe in float32 with NumPy
in float64. NumPy and C are timed while v has not died out: later on, denormal numbers make them slower. The C compiler
is gcc.
"""

import ctypes
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from raypipe.studies.gray_scott.integrator import initial_state, integrate

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import reference_gray_scott

SEED, F, K, DIFFUSION_U, DIFFUSION_V, TIME_STEP = 1501, 0.05, 0.065, 0.2, 0.1, 0.25
STEPS_OF_A_SIMULATION = 60_000

Run = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def run_numpy(u: np.ndarray, v: np.ndarray, steps: int) -> np.ndarray:
    """Return u after `steps` steps of the tests' reference."""
    return reference_gray_scott.integrate(u, v, F, K, steps)[0]


def run_raypipe(u: np.ndarray, v: np.ndarray, steps: int) -> np.ndarray:
    """Return u after `steps` steps of raypipe, all of them computed."""
    (frame,) = integrate(u, v, F, K, frame_times=[steps * TIME_STEP], dtype=u.dtype.name, early_end=False)
    return frame.u


def compile_c(folder: Path, dtype: str) -> Run:
    """Compile gray_scott.c as a plain user would, and return a function that calls it."""
    library = folder / f"{dtype}.so"
    real, real_name = {"float64": (ctypes.c_double, "double"), "float32": (ctypes.c_float, "float")}[dtype]
    source = Path(__file__).with_suffix(".c")
    command = [
        "gcc",
        "-O3",
        "-march=native",
        f"-DREAL={real_name}",
        "-shared",
        "-fPIC",
        str(source),
        "-o",
        str(library),
    ]
    subprocess.run(command, check=True)
    function = ctypes.CDLL(str(library)).integrate
    field = np.ctypeslib.ndpointer(dtype, flags="C_CONTIGUOUS")
    function.argtypes = [field, field, ctypes.c_long, *[real] * 5]
    function.restype = None

    def run(u: np.ndarray, v: np.ndarray, steps: int) -> np.ndarray:
        u, v = u.copy(), v.copy()
        function(u, v, steps, F, K, DIFFUSION_U, DIFFUSION_V, TIME_STEP)
        return u

    return run


def compile_py_pde() -> Run | None:
    """Return py-pde's numba backend with the same equations and Laplacian, or None where it is not installed."""
    try:
        import pde
    except ImportError:
        return None
    # With this weight, py-pde's Laplacian in two dimensions is the one used here.
    pde.config["operators.cartesian.laplacian_2d_corner_weight"] = 0.5
    size = 128
    grid = pde.CartesianGrid([[0, size], [0, size]], size, periodic=True)
    equations = pde.PDE(
        {
            "u": f"{DIFFUSION_U} * laplace(u) - u * v**2 + {F} * (1 - u)",
            "v": f"{DIFFUSION_V} * laplace(v) + u * v**2 - {F + K} * v",
        }
    )

    def fields(u: np.ndarray, v: np.ndarray) -> pde.FieldCollection:
        return pde.FieldCollection([pde.ScalarField(grid, u), pde.ScalarField(grid, v)])

    example = fields(*initial_state(SEED))
    stepper = pde.EulerSolver(equations, backend="numba", adaptive=False).make_stepper(example, TIME_STEP)

    def run(u: np.ndarray, v: np.ndarray, steps: int) -> np.ndarray:
        state = fields(u, v)
        stepper(state, 0, steps * TIME_STEP)
        return state[0].data

    return run


def measure(runs: dict[str, tuple[Run, str, int]], rounds: int) -> dict[str, float]:
    """Time all runs in turns, after one turn that compiles; return the median microseconds per step of each."""
    fields = initial_state(SEED)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name, (run, dtype, steps) in runs.items():
            u, v = (field.astype(dtype) for field in fields)
            start = time.perf_counter()
            run(u, v, steps)
            if turn:
                times[name].append((time.perf_counter() - start) / steps * 1e6)
    return {name: median(values) for name, values in times.items()}


def check_agreement(runs: dict[str, tuple[Run, str, int]]) -> None:
    """Exit unless all of them compute the same result."""
    u, v = initial_state(SEED)
    expected = run_numpy(u, v, 400)
    for name, (run, dtype, _) in runs.items():
        difference = abs(run(u.astype(dtype), v.astype(dtype), 400) - expected).max()
        if difference > {"float64": 1e-10, "float32": 1e-4}[dtype]:
            raise SystemExit(f"{name} differs from NumPy by {difference:.1e}; a ratio would mean nothing")


def main(rounds: int = 15) -> None:
    """Measure, and print a table and a last line with the ratios."""
    with tempfile.TemporaryDirectory() as folder:
        runs: dict[str, tuple[Run, str, int]] = {}
        for dtype in ("float64", "float32"):
            runs[f"NumPy {dtype}"] = (run_numpy, dtype, 200)
            runs[f"C {dtype}"] = (compile_c(Path(folder), dtype), dtype, 2000)
            runs[f"raypipe {dtype}"] = (run_raypipe, dtype, 8000)
        if py_pde := compile_py_pde():
            runs["py-pde float64"] = (py_pde, "float64", 2000)
        check_agreement(runs)
        step = measure(runs, rounds)

    print(f"{'':18}{'µs per step':>12}{'s per simulation':>18}{'raypipe is faster by':>22}")
    for name, (_, dtype, _) in runs.items():
        ratio = step[name] / step[f"raypipe {dtype}"]
        print(f"{name:18}{step[name]:12.2f}{step[name] * STEPS_OF_A_SIMULATION / 1e6:18.2f}{ratio:22.1f}")
    ratios = {
        f"{peer.lower()}_ratio_f{bits}": step[f"{peer} float{bits}"] / step[f"raypipe float{bits}"]
        for bits in (64, 32)
        for peer in ("NumPy", "C")
    }
    print(f"numpy64_ratio_f32={step['NumPy float64'] / step['raypipe float32']:.1f}")
    print(" ".join(f"{name}={ratio:.1f}" for name, ratio in ratios.items()))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
