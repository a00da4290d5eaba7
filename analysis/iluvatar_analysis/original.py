"""What the original's load generator writes, in the columns of a load."""

import json
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Iterator, Optional

import polars as pl

from .schema import LOAD_SCHEMA, ResultsError

STATES = {2: "cold", 3: "prewarm", 4: "warm", "COLD": "cold", "PREWARM": "prewarm", "WARM": "warm"}
CSV_COLUMNS = {"success", "function_name", "was_cold", "worker_duration_us", "code_duration_sec", "e2e_duration_us", "tid"}


def read_original(path: Any) -> pl.DataFrame:
    """``output-*.csv``, ``output-full-*.json``, ``worker_function_benchmarks.json``, or a scaling run's ``<clients>.json`` or its folder. Raises ResultsError."""
    file = Path(path)
    if file.is_dir():
        steps = sorted((step for step in file.glob("*.json") if step.stem.isdigit()), key=lambda step: int(step.stem))
        if not steps:
            raise ResultsError(f"{file} holds no scaling run: name a file")
        return _frame([row for step in steps for row in _scaling(int(step.stem), _load(step))])
    if file.suffix == ".csv":
        return _csv(file)
    content = _load(file)
    if isinstance(content, dict) and isinstance(content.get("data"), dict):
        return _frame(list(_benchmark(content["data"])))
    if isinstance(content, list):
        if content and isinstance(content[0], dict) and "thread_id" in content[0]:
            return _frame(list(_scaling(int(file.stem) if file.stem.isdigit() else None, content)))
        return _frame([_invocation(item) for item in content])
    raise ResultsError(f"{file} is neither a list of invocations nor a benchmark's results")


def _csv(file: Path) -> pl.DataFrame:
    rows = pl.read_csv(file, infer_schema=False)
    missing = CSV_COLUMNS - set(rows.columns)
    if missing:
        raise ResultsError(f"{file} has no column {', '.join(sorted(missing))}")

    def row(item: dict) -> dict:
        success, cold = item["success"].lower() == "true", item["was_cold"].lower() == "true"
        return {
            "tid": item["tid"],
            "function": item["function_name"],
            "outcome": "ok" if success else "user_error",
            "state": ("cold" if cold else "warm") if success else None,
            "code_cold": int(cold),
            "run_us": round(float(item["worker_duration_us"])),
            "code_us": round(float(item["code_duration_sec"]) * 1e6) if success else None,
            "end_us": round(float(item["e2e_duration_us"])),
        }

    return _frame([row(item) for item in rows.iter_rows(named=True)])


def _benchmark(data: dict) -> Iterator[dict]:
    for name, function in data.items():
        for resource, lists in function["resource_data"].items():
            device = resource.lower() if resource.lower() == "cpu" else f"{resource.lower()}0"
            for state in ("cold", "warm"):
                latencies, durations = lists[f"{state}_invoke_duration_us"], lists[f"{state}_worker_duration_us"]
                for seconds, a, b in zip(lists[f"{state}_results_sec"], latencies, durations):
                    # Those of a run through a controller are under each other's names; the latency contains the duration.
                    yield {
                        "function": name,
                        "device": device,
                        "state": state,
                        "outcome": "ok",
                        "code_cold": int(state == "cold"),
                        "code_us": round(seconds * 1e6),
                        "run_us": min(a, b),
                        "end_us": max(a, b),
                    }


def _scaling(clients: Optional[int], threads: list) -> Iterator[dict]:
    for client, thread in enumerate(threads):
        for item in thread.get("data") or []:
            yield {**_invocation(item), "clients": clients, "client": client}


def _invocation(item: dict) -> dict:
    response = item.get("worker_response") or item.get("controller_response") or {}
    body = (item.get("function_output") or {}).get("body") or {}
    version = item.get("function_version")
    name = str(item.get("function_name", ""))
    return {
        "tid": item.get("tid"),
        "function": f"{name}@{version}" if version else name,
        "start": _microseconds(item.get("invoke_start")),
        "outcome": "ok" if response.get("success") else "user_error",
        "state": STATES.get(response.get("container_state")),
        "device": "gpu0" if response.get("compute") == 2 else "cpu",
        "run_us": response.get("duration_us"),
        "code_us": round(body["latency"] * 1e6) if "latency" in body else None,
        "code_cold": int(body["cold"]) if "cold" in body else None,
        "end_us": item.get("client_latency_us"),
        "error": None if response.get("success") else response.get("json_result") or None,
    }


def _microseconds(text: Optional[str]) -> Optional[int]:
    """µs since 1970. Its fraction may have nine digits, of which a datetime takes six."""
    match = re.match(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d+)?", text or "")
    if match is None:
        return None
    seconds = datetime.fromisoformat(f"{match[1]}T{match[2]}").replace(tzinfo=timezone.utc).timestamp()
    return int(seconds) * 1_000_000 + round(float(f"0{match[3] or ''}") * 1e6)


def _frame(rows: list) -> pl.DataFrame:
    """Times count from the first invocation; where none is known, from each one's own beginning."""
    starts = [row.pop("start", None) for row in rows]
    timed = bool(starts) and None not in starts
    first = min(starts) if timed else 0
    for row, start in zip(rows, starts):
        sent = start - first if timed else 0
        row.update(arrival_us=sent, sent_us=sent, end_us=sent + (row["end_us"] or 0), container=None, attempts=0)
    return pl.DataFrame(rows, schema=LOAD_SCHEMA)


def _load(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultsError(f"{file} cannot be read: {error}") from error
