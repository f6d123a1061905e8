"""Runs inside a pod of a test: one JSON request per line with code to run, one JSON answer per line."""

import json
import sys

known: dict = {}
for line in sys.stdin:
    request = json.loads(line)
    known.update(request["names"], answer=None)
    said = {"request": request["request"], "ok": True}
    try:
        exec(request["code"], known)
        said["answer"] = known["answer"]
    except Exception as error:  # noqa: BLE001  the test outside decides what it means
        said.update(ok=False, error=f"{type(error).__name__}: {error}")
    print(json.dumps(said), flush=True)
