"""What both agents answer with: the result of the function as JSON text inside of JSON."""

import datetime
import json
import time

FORMAT = "%Y-%m-%d %H:%M:%S:%f+%z"
called = False


def answer(text):
    """The reply, and whether the function ended well."""
    global called
    was_cold, called = not called, True
    start, began = datetime.datetime.now(), time.time()
    try:
        import main

        outcome, ended_well = {"user_result": json.dumps(main.main(json.loads(text)))}, True
    except Exception as error:  # whatever the function raises is its caller's to see
        outcome, ended_well = {"user_error": json.dumps(str(error))}, False
    return dict(
        outcome,
        start=start.strftime(FORMAT),
        end=datetime.datetime.now().strftime(FORMAT),
        was_cold=was_cold,
        duration_sec=time.time() - began,
        gpu_allocation_mb=0,
    ), ended_well
