"""A probe that only holds a pool open: ``python -m tests.checks.ramp.program SERVER`` (as JSON)."""

import json
import sys
from dataclasses import replace

from tests.checks.ramp.ramping import PATIENT, Server, ramped, request_to


def stepped(_check: object, _target: str, held: int, _free: int | None) -> None:
    print(held, flush=True)


if __name__ == "__main__":
    asked = request_to(Server(**json.loads(sys.argv[1])), pool=replace(PATIENT, hold_s=60.0))
    ramped(replace(asked, stepped=stepped))
