from dataclasses import replace

from probe.checks.ramp.request import workload
from probe.model.application import Application, Pool
from probe.model.words import Check


def test_a_herd_of_many_instances_is_no_more_than_200_threads_and_pools() -> None:
    many = workload(Check.HERD, replace(Application(), max_instances=100_000), Pool())
    assert (many.workers, many.pools, many.wanted) == (200, 200, 200)
    few = workload(Check.HERD, replace(Application(), max_instances=12), Pool())
    assert (few.workers, few.pools, few.wanted) == (12, 12, 12)
