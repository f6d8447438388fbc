# numba supplies the types and arguments of its functions, which neither mypy nor ruff can see.
# mypy: ignore-errors
# ruff: noqa: ARG001, ARG005
"""The compiled inner loop of `integrator`: forward Euler steps of both fields on one core.

Layout. The rows of the grid are split into bands of equal height, one band for each lane of a 64-byte vector: vector
(column, row) of a field holds that cell of every band. A neighbour of a cell is then in the same lane of a neighbouring
vector, so no load straddles two vectors and no load needs a shuffle. The exceptions are the rows above and below a
band: they belong to the previous and the next band, and are vectors rotated by one lane. A grid that cannot be split
this way has a single band: the same code gives bit for bit the same result, but more slowly.

Operations. 4 ∇² + 16 is the product of the stencils [1, 2, 1] along both axes. Each sum along a row is used by three
rows. It stays in registers, like everything else that is reused while the code walks down a pair of columns.
Neighbouring columns share an addition. The stencil needs only additions, no multiply-adds: processors execute more
operations at once if additions and multiply-adds are mixed. The fields are stored times √Δt, so that the reaction term
u v² has no prefactor. A step of both fields takes 9 additions and 7 multiplications or multiply-adds per cell.

Several steps per pass. Both fields fit into the L2 cache but not into the L1 cache, and the transfer between the two
took longer than the arithmetic. Therefore a second step follows two columns behind the first, reads the results of the
first while they are still in the L1 cache, and writes its own results to where the fields were. This halves the time
per step. Where the fields do not fit into the L2 cache either, eight steps follow each other in this way.

Vectors. numba has no vector type, and its compiler does not find this vectorisation by itself, so `Vector` and the
functions on it state it explicitly. LLVM splits vectors on processors with shorter registers. Every operation,
including the fused multiply-add, is rounded as IEEE 754 requires, so the result is the same on every processor.

One file. numba recompiles a cached function only when the file that defines it has changed, so the kernel is one file.

Denormals. Where v has died out, it would decay further and further into the denormal numbers, with which processors are
many times slower. A source of 1e-30 per step keeps v above them in both precisions; it is far below the rounding error
of u. The source costs nothing, because it only turns a multiplication into a multiply-add, and it needs no processor
flag that would have to be restored.
"""

from math import sqrt

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from raypipe.compiled import compiled

VECTOR_BYTES = 64
"""Vector size of AVX-512. On processors with shorter registers, shorter vectors were no faster."""

ALIGNMENT = 4096
"""Alignment of each field in memory, in bytes. No vector then straddles two cache lines, and all fields start at the
same offset in their memory pages; with other relative offsets, up to a tenth of the speed was lost."""

PLACES = 10
"""Number of columns kept of each step of a pass except the last."""

DEEP_SIZE = 512
DEPTH = 8
"""Steps per pass over fields of at least DEEP_SIZE, which do not fit into the L2 cache; smaller fields take two."""

SOURCE = 1e-30
"""Added to v √Δt at each step to keep it above the denormal numbers."""


class Stepper:
    """Both fields of one simulation in the kernel's layout, advanced in place.

    u, v: (size, size), both float64 or both float32. The other settings are those of `integrator.integrate`, which has
    validated them.
    """

    def __init__(
        self,
        u: np.ndarray,
        v: np.ndarray,
        f: float,
        k: float,
        diffusion_u: float,
        diffusion_v: float,
        time_step: float,
    ) -> None:
        self._scale = u.dtype.type(sqrt(time_step))
        self._now = (_to_bands(u * self._scale), _to_bands(v * self._scale))
        self._spare = (_to_bands(u), _to_bands(v))
        self._coefficients = np.array(
            [
                1 - time_step * (4 * diffusion_u + f),
                time_step * diffusion_u / 4,
                time_step * f * sqrt(time_step),
                1 - time_step * (4 * diffusion_v + f + k),
                time_step * diffusion_v / 4,
                SOURCE,
            ],
            u.dtype,
        )

    def advance(self, steps: int) -> bool:
        """Make `steps` steps; return whether the last two led back to the same bits, as all later pairs then will.

        Uniform states end this way: they stay at one value, or alternate between two values that differ by rounding.
        """
        if steps < 2:
            self._advance(steps)
            return False
        self._advance(steps - 2)
        before = self._bits()
        self._advance(2)
        return self._bits() == before

    def _advance(self, steps: int) -> None:
        size = len(self._now[0])
        depth = DEPTH if size >= DEEP_SIZE else 2
        _step_fields(*self._now, *self._spare, self._coefficients, steps, depth)
        if steps % 2:
            self._now, self._spare = self._spare, self._now

    def _bits(self) -> bytes:
        return self._now[0].tobytes() + self._now[1].tobytes()

    @property
    def u(self) -> np.ndarray:
        """The field u, (size, size)."""
        return _from_bands(self._now[0]) / self._scale

    @property
    def v(self) -> np.ndarray:
        """The field v, (size, size)."""
        return _from_bands(self._now[1]) / self._scale


def _to_bands(field: np.ndarray) -> np.ndarray:
    """Copy a (size, size) field into an array (columns, rows of a band) whose records hold the lanes."""
    size, dtype = len(field), field.dtype
    lanes = VECTOR_BYTES // dtype.itemsize
    if size % lanes:
        lanes = 1
    memory = np.empty(field.nbytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    bands = memory[start : start + field.nbytes].view([("lanes", dtype, (lanes,))]).reshape(size, size // lanes)
    bands["lanes"] = field.reshape(lanes, size // lanes, size).transpose(2, 1, 0)
    return bands


def _from_bands(bands: np.ndarray) -> np.ndarray:
    """Return the (size, size) field from an array made by `_to_bands`."""
    return bands["lanes"].transpose(2, 1, 0).reshape(len(bands), len(bands))


class Vector(types.Type):
    """The numba type of a vector of `lanes` elements."""

    def __init__(self, element: types.Float, lanes: int) -> None:
        self.element, self.lanes = element, lanes
        super().__init__(f"Vector({element}, {lanes})")


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    """Represents a `Vector` as an LLVM vector."""

    def __init__(self, manager, vector):
        element = manager.lookup(vector.element).get_value_type()
        super().__init__(manager, vector, ir.VectorType(element, vector.lanes))


def _pointer(context, builder, array_type, vector, array, column, row):
    structure = context.make_array(array_type)(context, builder, array)
    rows = builder.extract_value(structure.shape, 1)
    start = builder.bitcast(structure.data, context.get_value_type(vector).as_pointer())
    return builder.gep(start, [builder.add(builder.mul(column, rows), row)])


@intrinsic
def load(typing_context, bands, column, row):
    """Return the vector at (column, row) of an array made by `_to_bands`."""
    lanes = bands.dtype.typeof("lanes")
    vector = Vector(lanes.dtype, lanes.shape[0])

    def generate(context, builder, signature, arguments):
        pointer = _pointer(context, builder, bands, vector, *arguments)
        return builder.load(pointer, align=vector.element.bitwidth // 8)

    return vector(bands, types.intp, types.intp), generate


@intrinsic
def store(typing_context, bands, column, row, vector):
    """Store a vector at the place from which `load` reads it."""

    def generate(context, builder, signature, arguments):
        pointer = _pointer(context, builder, bands, vector, *arguments[:3])
        builder.store(arguments[3], pointer, align=vector.element.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(bands, types.intp, types.intp, vector), generate


def _shuffle(builder, vector, lanes):
    return builder.shuffle_vector(vector, vector, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes))


@intrinsic
def fill(typing_context, number, like):
    """Return a vector of the type of `like` with `number` in every lane."""

    def generate(context, builder, signature, arguments):
        empty = ir.Constant(context.get_value_type(like), ir.Undefined)
        first = builder.insert_element(empty, arguments[0], ir.Constant(ir.IntType(32), 0))
        return _shuffle(builder, first, [0] * like.lanes)

    return like(number, like), generate


@intrinsic
def from_lane_before(typing_context, vector):
    """Rotate by one lane: every lane gets the value of the lane before it, the first lane that of the last."""
    lanes = [(lane - 1) % vector.lanes for lane in range(vector.lanes)]
    return vector(vector), lambda context, builder, signature, arguments: _shuffle(builder, *arguments, lanes)


@intrinsic
def from_lane_after(typing_context, vector):
    """Rotate by one lane: every lane gets the value of the lane after it, the last lane that of the first."""
    lanes = [(lane + 1) % vector.lanes for lane in range(vector.lanes)]
    return vector(vector), lambda context, builder, signature, arguments: _shuffle(builder, *arguments, lanes)


@intrinsic
def add(typing_context, a, b):
    """Return a + b."""
    return a(a, b), lambda context, builder, signature, arguments: builder.fadd(*arguments)


@intrinsic
def multiply(typing_context, a, b):
    """Return a b."""
    return a(a, b), lambda context, builder, signature, arguments: builder.fmul(*arguments)


@intrinsic
def negate(typing_context, a):
    """Return -a."""
    return a(a), lambda context, builder, signature, arguments: builder.fneg(*arguments)


@intrinsic
def multiply_add(typing_context, a, b, c):
    """Return a b + c, rounded once."""

    def generate(context, builder, signature, arguments):
        vector = context.get_value_type(a)
        name = f"llvm.fma.v{a.lanes}f{a.element.bitwidth}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), name)
        return builder.call(function, arguments)

    return a(a, b, c), generate


@njit(forceinline=True)
def add_pairs(a, b):
    """Add two pairs of vectors element by element."""
    return add(a[0], b[0]), add(a[1], b[1])


@njit(forceinline=True)
def walk_row(field, columns, row):
    """Return the cells of two columns in a row, and for each its sum with the weights [1, 2, 1] along the row.

    `columns` are the western neighbour, the two columns and the eastern neighbour.
    """
    west, left = load(field, columns[0], row), load(field, columns[1], row)
    right, east = load(field, columns[2], row), load(field, columns[3], row)
    middle = add(left, right)
    return (left, right), (add(add(west, left), middle), add(middle, add(right, east)))


@njit(forceinline=True)
def update(target, column, row, u, v, u_sum, v_sum, coefficients):
    """Make a forward Euler step of one vector of u √Δt and v √Δt; the sums are 4 ∇² + 16 applied to these fields."""
    keep_u, spread_u, feed, keep_v, spread_v, source = coefficients
    uv = multiply(u, v)
    u_new = multiply_add(spread_u, u_sum, multiply_add(keep_u, u, feed))
    v_new = multiply_add(spread_v, v_sum, multiply_add(keep_v, v, source))
    store(target[0], column, row, multiply_add(negate(uv), v, u_new))
    store(target[1], column, row, multiply_add(uv, v, v_new))


@njit(forceinline=True)
def update_pair(target, columns, row, u, v, u_sums, v_sums, coefficients):
    """Call `update` for the vectors of two columns."""
    update(target, columns[0], row, u[0], v[0], u_sums[0], v_sums[0], coefficients)
    update(target, columns[1], row, u[1], v[1], u_sums[1], v_sums[1], coefficients)


@njit(forceinline=True)
def step_columns(source, columns, target, target_columns, coefficients):
    """Make one step of two columns, row by row, from `source` (the fields u and v) to `target`.

    `columns` are as in `walk_row`; the results go to `target_columns`.
    """
    u, v = source
    last = u.shape[1] - 1
    u_cells, u_first = walk_row(u, columns, 0)
    v_cells, v_first = walk_row(v, columns, 0)
    _, u_last = walk_row(u, columns, last)
    _, v_last = walk_row(v, columns, last)
    u_above = add_pairs((from_lane_before(u_last[0]), from_lane_before(u_last[1])), u_first)
    v_above = add_pairs((from_lane_before(v_last[0]), from_lane_before(v_last[1])), v_first)
    u_here, v_here = u_first, v_first
    for row in range(last):
        u_cells_below, u_next = walk_row(u, columns, row + 1)
        v_cells_below, v_next = walk_row(v, columns, row + 1)
        u_below, v_below = add_pairs(u_here, u_next), add_pairs(v_here, v_next)
        u_sums, v_sums = add_pairs(u_above, u_below), add_pairs(v_above, v_below)
        update_pair(target, target_columns, row, u_cells, v_cells, u_sums, v_sums, coefficients)
        u_cells, u_here, u_above = u_cells_below, u_next, u_below
        v_cells, v_here, v_above = v_cells_below, v_next, v_below
    u_below = add_pairs(u_here, (from_lane_after(u_first[0]), from_lane_after(u_first[1])))
    v_below = add_pairs(v_here, (from_lane_after(v_first[0]), from_lane_after(v_first[1])))
    u_sums, v_sums = add_pairs(u_above, u_below), add_pairs(v_above, v_below)
    update_pair(target, target_columns, last, u_cells, v_cells, u_sums, v_sums, coefficients)


@njit(forceinline=True)
def around(column, columns):
    """Return the columns (column, column + 1) between their two neighbours on the periodic grid."""
    west = column - 1 if column > 0 else columns - 1
    east = column + 2 if column + 2 < columns else 0
    return west, column, column + 1, east


@njit(forceinline=True)
def step_once(fields, target, coefficients):
    """Make one step of all columns, from `fields` to `target`."""
    columns = len(fields[0])
    for start in range(0, columns, 2):
        # If the number of columns is odd, the second-to-last column is computed twice.
        column = min(start, columns - 2)
        step_columns(fields, around(column, columns), target, (column, column + 1), coefficients)


@njit(forceinline=True)
def step_many(fields, between, coefficients, depth):
    """Make `depth` steps of all columns in one pass; the result replaces `fields`.

    Requires an even number of at least 4 columns, and a `depth` of at least 2. Each step begins two columns further
    right than the previous step and stays two columns behind it; on the periodic grid, it ends with the leftmost
    columns. `between` holds the results of all steps but the last, `PLACES` columns for each step: its first four
    columns, which the next step needs at its end, and its latest six.
    """
    columns = len(fields[0])
    for tick in range(0, columns + 4 * (depth - 1), 2):
        if tick < columns:
            target = _place(tick, columns), _place(tick + 1, columns)
            step_columns(fields, around(tick, columns), between, target, coefficients)
        for step in range(1, depth - 1):
            done = tick - 4 * step
            if 0 <= done < columns:
                target = step * PLACES + _place(done, columns), step * PLACES + _place(done + 1, columns)
                step_columns(between, _made(step, done, columns), between, target, coefficients)
        done = tick - 4 * (depth - 1)
        if done >= 0:
            column = (done + 2 * (depth - 1)) % columns
            made = _made(depth - 1, done, columns)
            step_columns(between, made, fields, (column, column + 1), coefficients)


@njit(forceinline=True)
def _made(step, done, columns):
    """Places of the four columns of the previous step that `step` needs to make two more columns after its `done`."""
    before = (step - 1) * PLACES
    return (
        before + _place(done + 1, columns),
        before + _place(done + 2, columns),
        before + _place(done + 3, columns),
        before + _place(done + 4, columns),
    )


@njit(forceinline=True)
def _place(number, columns):
    """Place of a step's column `number`, counted from the first column that the step makes."""
    number = number if number < columns else number - columns
    return number if number < 4 else 4 + (number - 4) % 6


@compiled()
def _step_fields(u, v, u_next, v_next, coefficients, steps, depth):
    """Make `steps` steps from (u, v); the result is in (u, v) if `steps` is even, else in (u_next, v_next)."""
    like = load(u, 0, 0)
    filled = (
        fill(coefficients[0], like),
        fill(coefficients[1], like),
        fill(coefficients[2], like),
        fill(coefficients[3], like),
        fill(coefficients[4], like),
        fill(coefficients[5], like),
    )
    fields, spare = (u, v), (u_next, v_next)
    if len(u) % 2 == 0 and len(u) >= 4:
        for _ in range(steps // depth):
            step_many(fields, spare, filled, depth)
        for _ in range(steps % depth // 2):
            step_many(fields, spare, filled, 2)
        if steps % 2:
            step_once(fields, spare, filled)
    else:
        for _ in range(steps):
            step_once(fields, spare, filled)
            fields, spare = spare, fields
