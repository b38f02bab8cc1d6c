"""The metrics of the rehearsed start-up, of the pools that were filled, and of the server's slots."""

from probe.sinks.metric import Metric, labels

_TARGET = labels("target")
_PHASE = labels("target", "phase")
_POOL = labels("target", "check")

APPLICATION_METRICS: tuple[Metric, ...] = (
    Metric(
        name="startup_phase_duration",
        value_type="DOUBLE",
        unit="s",
        labels=_PHASE,
        description="One phase of the rehearsed start-up, until it completed, failed or timed out.",
    ),
    Metric(
        name="startup_phase_budget_ratio",
        value_type="DOUBLE",
        unit="1",
        labels=_PHASE,
        description="Share of its budget that a phase used: 1 is all of it.",
    ),
    Metric(
        name="startup_duration",
        value_type="DOUBLE",
        unit="s",
        labels=_TARGET,
        description="All phases, until the last one or the one that ended the start-up.",
    ),
    Metric(
        name="startup_exit_code",
        value_type="INT64",
        unit="1",
        labels=_TARGET,
        description="What the application would exit with: 0 started, 3 a required phase did not complete.",
    ),
    Metric(
        name="startup_child_start",
        value_type="DOUBLE",
        unit="s",
        labels=_TARGET,
        description="Starting a process and importing the application's stack: in no phase.",
    ),
    Metric(
        name="pool_connections_held",
        value_type="INT64",
        unit="1",
        labels=_POOL,
        description="The most connections of the pool that were open at once.",
    ),
    Metric(
        name="pool_connections_free_min",
        value_type="INT64",
        unit="1",
        labels=_POOL,
        description="The fewest slots that were ever left to others.",
    ),
    Metric(
        name="pool_wait_max",
        value_type="DOUBLE",
        unit="s",
        labels=_POOL,
        description="The longest wait for a connection, a guarded ramp's own hold included.",
    ),
    Metric(
        name="pool_wait_median",
        value_type="DOUBLE",
        unit="s",
        labels=_POOL,
        description="The median wait for a connection, a guarded ramp's own hold included.",
    ),
    Metric(
        name="pool_connect_median",
        value_type="DOUBLE",
        unit="s",
        labels=_POOL,
        description="The median time in which the pool opened a connection.",
    ),
    Metric(
        name="pool_refused",
        value_type="INT64",
        unit="1",
        labels=_POOL,
        description="Workers that the server refused a connection for want of a slot.",
    ),
    Metric(
        name="pool_timed_out",
        value_type="INT64",
        unit="1",
        labels=_POOL,
        description="Workers that the pool gave no connection within its own time-out.",
    ),
    Metric(
        name="pool_recovery",
        value_type="DOUBLE",
        unit="s",
        labels=_POOL,
        description="From letting go until nobody waited any more; absent where nobody had waited.",
    ),
    Metric(
        name="server_connections_used",
        value_type="INT64",
        unit="1",
        labels=_TARGET,
        description="Client connections of the server before the pool was filled, our own included.",
    ),
    Metric(
        name="server_connections_limit",
        value_type="INT64",
        unit="1",
        labels=_TARGET,
        description="Connections that ordinary roles can have: max_connections less the reserved ones.",
    ),
    Metric(
        name="server_connections_ratio",
        value_type="DOUBLE",
        unit="1",
        labels=_TARGET,
        description="Share of server_connections_limit that was used before the pool was filled.",
    ),
)
