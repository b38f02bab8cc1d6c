import re
from itertools import pairwise

import pytest

from probe.sandbox.monitoring_rules import descriptor_violation
from probe.sinks.catalogue import METRICS, markdown_table
from probe.sinks.descriptors import descriptor
from probe.sinks.metric import DURATION_BOUNDS_S, PREFIX, Metric

BY_NAME = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


@BY_NAME
def test_a_metric_breaks_no_rule_of_the_service(metric: Metric) -> None:
    assert descriptor_violation(descriptor(metric)) is None


@BY_NAME
def test_a_metric_tells_profiles_apart(metric: Metric) -> None:
    assert "profile" in metric.labels


@BY_NAME
def test_a_metric_and_its_labels_are_described(metric: Metric) -> None:
    assert metric.description.endswith(".")
    assert all(text.endswith(".") for text in metric.labels.values())


@BY_NAME
def test_a_ratio_and_a_duration_say_so_in_their_names(metric: Metric) -> None:
    assert metric.name.endswith("_ratio") == (metric.value_type == "DOUBLE" and metric.unit == "1")
    if metric.value_type == "DISTRIBUTION":
        assert metric.unit == "s"


def test_names_are_unique() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_the_bounds_of_the_buckets_increase() -> None:
    assert all(lower < upper for lower, upper in pairwise(DURATION_BOUNDS_S))
    assert len(DURATION_BOUNDS_S) < 200


def test_the_table_has_a_line_of_six_cells_for_each_metric() -> None:
    header, rule, *lines = markdown_table().splitlines()
    assert header.startswith("| metric | kind | type | unit | labels | meaning |")
    assert set(rule) == {"|", "-"}
    assert [re.match(r"\| `([^`]+)`", line)[1] for line in lines] == [  # type: ignore[index]
        PREFIX + metric.name for metric in METRICS
    ]
    assert all(line.count("|") == 7 for line in lines)
