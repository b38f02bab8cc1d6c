"""A probe that only holds a pool open: ``python -m tests.checks.ramp_program SERVER`` (as JSON)."""

import json
import sys
from dataclasses import replace

from probe.checks import ramp
from tests.checks.ramping import PATIENT, Server, ramped, request_to


def stepped(_check: object, _target: str, held: int, _free: int | None) -> None:
    print(held, flush=True)


if __name__ == "__main__":
    ramp.SLOWER_S = 60.0  # the machine is loaded
    asked = request_to(Server(**json.loads(sys.argv[1])), pool=replace(PATIENT, hold_s=60.0))
    ramped(replace(asked, stepped=stepped))
