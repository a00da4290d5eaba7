"""Writes a document as JSON and reads it again."""

import hashlib
import json
import time

cold = True


def make_document(records):
    return [
        {
            "id": i,
            "name": f"record-{i}",
            "tags": [f"t{i % 7}", f"t{i % 11}"],
            "nested": {"even": i % 2 == 0, "square": i * i, "none": None},
        }
        for i in range(records)
    ]


def main(args):
    global cold
    was_cold, cold = cold, False
    document = args.get("document")
    if document is None:
        document = make_document(int(args.get("records", 5_000)))
    start = time.time()
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    middle = time.time()
    same = json.loads(text) == document
    end = time.time()
    encoded = text.encode()
    return {
        "body": {
            "bytes": len(encoded),
            "sha256": hashlib.sha256(encoded).hexdigest(),
            "same": same,
            "dumps_time": middle - start,
            "loads_time": end - middle,
            "cold": was_cold,
            "start": start,
            "end": end,
            "latency": end - start,
        }
    }
