"""Folders of experiments."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import polars as pl

from .schema import LOAD_SCHEMA, ResultsError, with_load_columns


@dataclass(frozen=True)
class Experiment:
    """One run: what it was (``experiment.json``), what came of it (``summary.json``; None = it did not come to its end), its rows, and series measured beside it."""

    folder: Path
    facts: dict
    summary: Optional[dict]
    rows: pl.DataFrame
    series: pl.DataFrame

    @property
    def finished(self) -> bool:
        return self.facts["state"] == "finished"


def read_experiment(folder: Any) -> Experiment:
    """Reads a folder, also one whose run died: then the CSV, whole up to its last flush, is read. Raises ResultsError."""
    path = Path(folder)
    facts = _json(path / "experiment.json")
    if facts.get("format") != "iluvatar.experiment":
        raise ResultsError(f"{path} is no experiment's folder")
    if facts.get("version") != 1:
        raise ResultsError(f"{path} has version {facts.get('version')}, and this package knows 1")
    summary_file = path / "summary.json"
    return Experiment(
        folder=path,
        facts=facts,
        summary=_json(summary_file) if summary_file.exists() else None,
        rows=_rows(path),
        series=_series(path / "metrics"),
    )


def _rows(path: Path) -> pl.DataFrame:
    parquet, csv = path / "rows.parquet", path / "rows.csv"
    if parquet.exists():
        try:
            return with_load_columns(pl.read_parquet(parquet))
        except Exception as error:  # Parquet has its index at its end: what died has none.
            if not csv.exists():
                raise ResultsError(f"{parquet} cannot be read: {error}") from error
    if not csv.exists():
        raise ResultsError(f"{path} holds no rows")
    frame = pl.read_csv(csv, schema_overrides=LOAD_SCHEMA, truncate_ragged_lines=True, ignore_errors=True)
    # A writer that died leaves half a line.
    return with_load_columns(frame.filter(pl.col("outcome").is_not_null() & pl.col("end_us").is_not_null()))


def _series(folder: Path) -> pl.DataFrame:
    files = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
    columns = {"time_us": pl.Int64, "worker": pl.Utf8, "series": pl.Utf8, "value": pl.Float64}
    frames = [pl.read_parquet(file).select(pl.col(name).cast(kind) for name, kind in columns.items()) for file in files]
    return pl.concat(frames) if frames else pl.DataFrame(schema=columns)


def _json(file: Path) -> dict:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultsError(f"{file} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ResultsError(f"{file} holds no object")
    return content
