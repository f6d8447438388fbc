"""The report page about tracks: their models and exponents, and what some of them look like."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from raypipe import __version__
from raypipe.files import write as write_file
from raypipe.plot.sequences import draw_sequence
from raypipe.plot.style import new_figure, styled
from raypipe.report import page
from raypipe.studies.andi.diffusion import ANDI_MODELS
from raypipe.studies.andi.tracks import outcomes
from raypipe.studies.andi.tracks.collect import FileSummary
from raypipe.studies.andi.tracks.results import INTERVAL, NONE

COLOURS = dict(
    zip((*ANDI_MODELS, NONE), ("#c44e52", "#dd8452", "#4c72b0", "#55a868", "#8172b3", "#999999"), strict=True)
)

EXAMPLES = 3
"""Number of tracks shown of each model."""

_REPEATS = 400
"""Number of bootstrap samples for the intervals of the shares."""

_MEANINGS = {
    "attm": "annealed transient time motion: the diffusivity changes; the lower it is, the longer it lasts",
    "ctrw": "continuous-time random walk: waiting times of any length between jumps",
    "fbm": "fractional Brownian motion: correlated steps",
    "lw": "Lévy walk: flights of any length at constant speed",
    "sbm": "scaled Brownian motion: the diffusivity changes with the age",
    NONE: "flagged as motion unlike these, such as confined, directed or switching",
}


def shares(found: pd.DataFrame) -> pd.DataFrame:
    """Share of each model among tracks: its mean probability, with a 95 % interval by bootstrap over tracks.

    A track flagged as following none of the models counts fully as `NONE`. Parts of a track that was split at gaps are
    drawn together, as they are not independent.
    """
    models = [*ANDI_MODELS, NONE]
    none = (found["model"] == NONE).to_numpy()
    probability = np.where(none[:, None], 0, found[list(ANDI_MODELS)].to_numpy())
    probability = np.concatenate([probability, none[:, None]], axis=1)
    share = probability.mean(axis=0)
    whole = found.groupby(["file", "track"], sort=False).ngroup().to_numpy()
    parts = np.bincount(whole)
    sums = np.stack([np.bincount(whole, of_model) for of_model in probability.T], axis=1)
    random, count = np.random.default_rng(0), len(parts)
    # The mean over many tracks is normally distributed and needs no bootstrap. With fewer, the multinomial numbers say
    # how often each track is drawn.
    if count > 5000:
        error = 1.96 * np.sqrt(((sums - parts[:, None] * share) ** 2).sum(axis=0)) / len(found)
        low, high = np.clip([share - error, share + error], 0, 1)
    else:
        drawn = random.multinomial(count, np.full(count, 1 / count), size=_REPEATS)
        low, high = np.quantile(drawn @ sums / (drawn @ parts)[:, None], [0.025, 0.975], axis=0)
    named = found["model"].value_counts().reindex(models, fill_value=0).to_numpy()
    return pd.DataFrame({"model": models, "share": share, "low": low, "high": high, "named": named})


def examples(found: pd.DataFrame) -> pd.DataFrame:
    """Rows of the tracks that are shown: the most probable of each model, and the most unfamiliar of flagged tracks."""
    surest = found[list(ANDI_MODELS)].max(axis=1).where(found["model"] != NONE, found["unfamiliar"])
    order = found.assign(surest=surest).sort_values("surest", ascending=False, kind="stable")
    return order.groupby("model", sort=False).head(EXAMPLES)


def write(
    file: Path, name: str, found: pd.DataFrame, maps: dict[int, xr.Dataset], summaries: Sequence[FileSummary]
) -> None:
    """Write the page about the tracks called `name`; the other arguments are those of `sections`.

    Raises:
        InputError: if the file cannot be written.
    """
    html, _ = page.render(f"Tracks {name}", sections(found, maps, summaries), version=__version__)
    write_file(file, lambda path: path.write_text(html, encoding="utf-8"))


def sections(found: pd.DataFrame, maps: dict[int, xr.Dataset], summaries: Sequence[FileSummary]) -> list[page.Section]:
    """The page's sections.

    Args:
        found: the table of all tracks.
        maps: relevance maps of `examples`, by number of dimensions.
        summaries: the summary of each file.
    """
    of = shares(found)
    lengths, interpolated = found["points"], int(found["interpolated"].sum())
    tiles = page.Tiles(
        {
            "tracks": len(found),
            "points": int(lengths.sum()),
            **({"of them interpolated": interpolated} if interpolated else {}),
            "left out": sum(count for one in summaries for count, _ in one.left.values()),
        }
    )
    medians = found[found["model"] != NONE].groupby("model")["exponent"].median()
    rows = of.assign(what=[_MEANINGS[name] for name in of["model"]]).to_numpy().tolist()
    return [
        page.Section(
            "tracks",
            "Tracks",
            [
                tiles,
                page.Text(
                    f"Tracks of {lengths.min()} to {lengths.max()} points (median {int(lengths.median())}). "
                    "For each, a network says how probable five models of anomalous diffusion are, and its exponent α; "
                    "it was trained on simulated tracks of just these models, and knows no others. A second one flags "
                    f"tracks unlike all of them, and {outcomes.FLAGGED:.0%} of those that do follow one."
                ),
                *(page.Facts(one.file, _facts(one)) for one in summaries),
            ],
        ),
        page.Section(
            "models",
            "Models",
            [
                page.Picture("models", models_figure(of), "Mean probability of each model, and its 95 % interval."),
                page.Table(["model", "share", "from", "to", "tracks classified so", "what it is"], rows),
            ],
        ),
        page.Section(
            "exponents",
            "Anomalous exponents",
            [
                page.Picture(
                    "exponents",
                    exponents_figure(found),
                    "Exponents α of the tracks, by their most probable model: below 1 a track spreads slower than "
                    "ordinary diffusion, above 1 faster. Medians: "
                    + ", ".join(f"{name} {value:.2f}" for name, value in medians.items())
                    + f". The table has an interval of {INTERVAL:.0%} for each track.",
                )
            ],
        ),
        page.Section(
            "examples",
            "Examples",
            [
                page.Picture(
                    "examples",
                    examples_figure(examples(found), maps),
                    "For each model the tracks that it is most probable for. Red steps speak for the model and the "
                    "exponent, blue ones against them (integrated gradients, starting from a track at rest). Tracks in "
                    "one dimension are shown as position over time, those in three by their first two axes.",
                )
            ],
        ),
    ]


def _facts(summary: FileSummary) -> dict[str, str]:
    facts = {"read as": summary.layout, "points": f"{summary.points}", "time between frames": f"{summary.step:g}"}
    facts |= {f"tracks in {d} dimensions": f"{count}" for d, count in sorted(summary.used.items())}
    if summary.unlinked:
        facts["points outside tracks"] = f"{summary.unlinked}"
    facts |= {f"left out: {why}": f"{count} ({names})" for why, count, names in summary.reasons()}
    return facts


@styled
def models_figure(table: pd.DataFrame) -> Figure:
    """Shares of the models with their intervals, from `shares`."""
    figure = new_figure(7, 2.6)
    axes = figure.subplots()
    errors = np.abs(table[["low", "high"]].to_numpy().T - table["share"].to_numpy())
    axes.barh(table["model"], table["share"], xerr=errors, color=[COLOURS[name] for name in table["model"]], capsize=3)
    axes.invert_yaxis()
    axes.set(xlabel="share of the tracks", xlim=(0, min(1, table["high"].max() * 1.1)))
    return figure


@styled
def exponents_figure(found: pd.DataFrame) -> Figure:
    """Histogram of the exponents of tracks, with the models stacked."""
    figure = new_figure(7, 3)
    axes = figure.subplots()
    there = [name for name in COLOURS if (found["model"] == name).any()]
    axes.hist(
        [found.loc[found["model"] == name, "exponent"] for name in there],
        bins=np.arange(0, 2.11, 0.1).tolist(),
        stacked=True,
        color=[COLOURS[name] for name in there],
        label=there,
    )
    axes.axvline(1, color="#555555", linewidth=0.8, linestyle=":")
    axes.set(xlabel="anomalous exponent α", ylabel="tracks", xlim=(0, 2.1))
    axes.legend()
    return figure


@styled
def examples_figure(shown: pd.DataFrame, maps: dict[int, xr.Dataset]) -> Figure:
    """Show the tracks from `examples`, with a row for each model present; `maps` are those of `sections`."""
    there = [name for name in COLOURS if (shown["model"] == name).any()]
    figure = new_figure(9, 2.2 * len(there))
    grid = figure.subplots(len(there), EXAMPLES, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for row, name in zip(grid, there, strict=True):
        for axes, (number, one) in zip(row, shown[shown["model"] == name].iterrows(), strict=False):
            of = maps[one["dimensions"]]
            track = of.isel(sample=int(np.flatnonzero(of["origin"] == number)[0]))
            axes.set_axis_on()
            draw_sequence(axes, track["position"].values, track["relevance"].values)
            axes.set_title(
                f"{one['track']}: unlike the models {one['unfamiliar']:.2f}"
                if name == NONE
                else f"{one['track']}: {name} {one[name]:.2f}, α {one['exponent']:.2f} "
                f"({one['exponent_low']:.2f} – {one['exponent_high']:.2f})",
                fontsize=8,
                parse_math=False,
            )
    return figure
