"""The columns of a load, version 1. A test of the project compares them with those that are written."""

import polars as pl

VERSION = 1

LOAD_SCHEMA = {
    "tid": pl.Utf8,
    "function": pl.Utf8,
    "arrival_us": pl.Int64,
    "queue_us": pl.Int64,
    "start_us": pl.Int64,
    "end_us": pl.Int64,
    "device": pl.Utf8,
    "container": pl.Int64,
    "state": pl.Utf8,
    "attempts": pl.Int64,
    "outcome": pl.Utf8,
    "sent_us": pl.Int64,
    "create_us": pl.Int64,
    "run_us": pl.Int64,
    "code_us": pl.Int64,
    "code_cold": pl.Int64,
    "worker": pl.Utf8,
    "backend": pl.Utf8,
    "client": pl.Int64,
    "clients": pl.Int64,
    "error": pl.Utf8,
    "cpu_us": pl.Int64,
    "energy_uj": pl.Int64,
}


class ResultsError(Exception):
    """What a path holds cannot be read as results."""


def with_load_columns(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with all columns of a load in their order; those that it lacks are null."""
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in LOAD_SCHEMA.items()
    )
