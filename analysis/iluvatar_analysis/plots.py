"""Pictures for notebooks, on axes of matplotlib. Those for papers and reports are made by ``iluvatar load plot``."""

from typing import Any

import polars as pl


def latency_cdf(rows: pl.DataFrame, axes: Any, by: str = "state") -> Any:
    """The share of invocations that took at most so long, one curve for each value of a column."""
    for key, group in sorted(rows.partition_by(by, as_dict=True).items(), key=lambda item: str(item[0])):
        ms = group.select(((pl.col("end_us") - pl.col("arrival_us")) / 1000).sort()).to_series()
        axes.step(ms, [(i + 1) / len(ms) for i in range(len(ms))], label=str(key[0]), where="post")
    axes.set(xscale="log", xlabel="latency from the intended start, ms", ylabel="share of invocations", ylim=(0, 1))
    axes.legend()
    return axes


def series(frame: pl.DataFrame, axes: Any, name: str) -> Any:
    """One of an experiment's series over the run's time, one line for each worker."""
    for key, group in sorted(frame.filter(pl.col("series") == name).partition_by("worker", as_dict=True).items()):
        axes.plot(group["time_us"] / 1e6, group["value"], label=str(key[0]))
    axes.set(xlabel="seconds since the beginning", ylabel=name)
    axes.legend()
    return axes
