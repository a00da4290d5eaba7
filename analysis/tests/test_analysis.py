"""Run by the project's own suite, which makes the folder named by ILUVATAR_RESULTS and says what must be found in it."""

import json
import os
from pathlib import Path

import polars as pl
import pytest

from iluvatar_analysis import LOAD_SCHEMA, ResultsError, read_experiment, read_original, summary

ROOT = Path(os.environ["ILUVATAR_RESULTS"])
EXPECTED = json.loads((ROOT / "expected.json").read_text())


def test_schema_is_what_is_written():
    assert list(LOAD_SCHEMA) == EXPECTED["columns"]
    written = pl.read_parquet(ROOT / "run" / "rows.parquet").schema
    assert {name: LOAD_SCHEMA[name] for name in written} == dict(written)


def test_experiment_reads_as_it_was():
    run = read_experiment(ROOT / "run")
    assert run.finished
    assert run.rows.height == run.summary["invocations"] == EXPECTED["invocations"]
    assert run.rows["queue_us"].sum() == EXPECTED["queueUs"]
    assert set(run.series["series"].unique()) == set(EXPECTED["series"])


def test_run_that_died_is_read_up_to_there():
    run = read_experiment(ROOT / "died")
    assert not run.finished and run.summary is None
    assert run.rows.height == EXPECTED["diedRows"]


def test_summary_has_the_same_numbers():
    run = read_experiment(ROOT / "run")
    ours = {line["function"]: line for line in summary(run.rows).iter_rows(named=True)}
    for function in run.summary["functions"]:
        line = ours[function["fn"]]
        assert line["invocations"] == function["invocations"]
        assert line["failed"] == function["failed"]
        assert line["cold_ratio"] == pytest.approx(function["coldRatio"])
        for measure in ("latency", "service", "queue", "overhead"):
            assert line[f"{measure}_mean_us"] == pytest.approx(function["us"][measure]["mean"])
            assert line[f"{measure}_max_us"] == function["us"][measure]["max"]
            # Those of the summary are from buckets, up to 1/256 too small.
            assert line[f"{measure}_p50_us"] == pytest.approx(function["us"][measure]["p50"], rel=1 / 256)


@pytest.mark.parametrize("name", sorted(EXPECTED["original"]))
def test_original_reads_as_our_other_reader_has_it(name):
    frame = read_original(ROOT / "original" / name)
    assert frame.columns == EXPECTED["columns"]
    for column, values in EXPECTED["original"][name].items():
        assert frame[column].to_list() == values, column


def test_what_is_no_result_is_refused():
    with pytest.raises(ResultsError):
        read_experiment(ROOT / "original")
    with pytest.raises(ResultsError):
        read_original(ROOT / "expected.json")
