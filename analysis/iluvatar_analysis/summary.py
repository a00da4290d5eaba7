"""Numbers of runs. The definitions are those of summary.json, which is the one to quote; this is for slices of a run that it has no number for."""

import polars as pl

MEASURES = {
    "latency": pl.col("end_us") - pl.col("arrival_us"),
    "service": pl.col("end_us") - pl.col("sent_us"),
    "queue": pl.col("queue_us"),
    "create": pl.col("create_us"),
    "run": pl.col("run_us"),
    "overhead": pl.col("end_us") - pl.col("sent_us") - pl.coalesce("code_us", "run_us"),
}


def summary(rows: pl.DataFrame, by: str = "function") -> pl.DataFrame:
    """One line for each value of a column: counts, cold ratio, and p50, p90, p99, mean and max of every measure in µs, of invocations that their function has ended. Quantiles are by nearest rank, as in summary.json."""
    answered = pl.col("outcome").is_in(["ok", "user_error"])
    measures = [
        expression
        for name, measure in MEASURES.items()
        for of in [measure.filter(answered)]
        for expression in [
            of.mean().alias(f"{name}_mean_us"),
            *(of.quantile(q / 100, "equiprobable").alias(f"{name}_p{q}_us") for q in (50, 90, 99)),
            of.max().alias(f"{name}_max_us"),
        ]
    ]
    return (
        rows.group_by(by)
        .agg(
            pl.len().alias("invocations"),
            (pl.col("outcome") != "ok").sum().alias("failed"),
            (pl.col("state") == "cold").mean().alias("cold_ratio"),
            *measures,
        )
        .sort("invocations", by, descending=[True, False])
    )
