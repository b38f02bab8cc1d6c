"""The rules that the application's own figures must keep, each with its arithmetic. Times in seconds.

A broken rule is advice about the application: it never says that the way to the database is broken.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields

from probe.model.application import CLOUD_SQL_ENVIRONMENTS, Application, capacity_aware_timeout_s
from probe.model.cause import Cause
from probe.model.target import Neighbour, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenRule:
    """A rule that does not hold, and the sentence that shows why."""

    cause: Cause
    sentence: str


def broken_rules(application: Application) -> tuple[BrokenRule, ...]:
    """Every rule that these figures break, in the order of the rules."""
    return tuple(broken for rule in _RULES for broken in rule(application))


def gateway_rules(
    gateway: str, targets: Iterable[Target], neighbours: Iterable[Neighbour]
) -> tuple[BrokenRule, ...]:
    """The endpoints that are the gateway of the connector's subnet; an empty ``gateway`` is not known."""
    hosts = [(target.name, target.private_ip) for target in targets]
    hosts += [(item.name, item.address.rpartition(":")[0].strip("[]")) for item in neighbours]
    return tuple(
        BrokenRule(
            cause=Cause.GATEWAY_AS_TARGET,
            sentence=f"{name} is {host}, the gateway of the connector's subnet: it answers no TCP",
        )
        for name, host in hosts
        if gateway and host == gateway
    )


def _usable(application: Application) -> tuple[float, str]:
    """How many connections the application may use, and how that was worked out."""
    figures = application
    usable = (figures.connection_limit - figures.reserved_connections) * figures.capacity_safety_margin
    usable = round(usable, 6)  # a binary fraction must not turn an equality into a broken rule
    return usable, (
        f"(connection_limit {figures.connection_limit} - {figures.reserved_connections} reserved)"
        f" x {figures.capacity_safety_margin:g} = {usable:g}"
    )


def _pool(application: Application) -> Iterator[BrokenRule]:
    pool = application.pool_connections
    usable, worked_out = _usable(application)
    if pool > usable:
        yield BrokenRule(
            cause=Cause.POOL_EXCEEDS_LIMIT,
            sentence=f"pool_size {application.pool_size} + max_overflow {application.max_overflow}"
            f" = {pool} connections, but {worked_out}",
        )


def _fleet(application: Application) -> Iterator[BrokenRule]:
    pool = application.pool_connections
    usable, worked_out = _usable(application)
    if application.max_instances * pool > usable:
        yield BrokenRule(
            cause=Cause.FLEET_EXCEEDS_LIMIT,
            sentence=f"max_instances {application.max_instances} x {pool}"
            f" = {application.max_instances * pool}, but {worked_out}",
        )


def _initialization(application: Application) -> Iterator[BrokenRule]:
    budget_s = application.initialization_timeout_s
    needed_s = round(application.connection_timeout_s + application.scaling_delay_s, 6)
    if budget_s < needed_s:
        yield BrokenRule(
            cause=Cause.INITIALIZATION_BUDGET_SHORT,
            sentence=f"initialization_timeout_s {budget_s:g} is below"
            f" connection_timeout_s {application.connection_timeout_s:g}"
            f" + scaling_delay_s {application.scaling_delay_s:g} = {needed_s:g}",
        )
    if budget_s < application.minimum_initialization_timeout_s:
        yield BrokenRule(
            cause=Cause.INITIALIZATION_BUDGET_SHORT,
            sentence=f"initialization_timeout_s {budget_s:g} is below"
            f" minimum_initialization_timeout_s {application.minimum_initialization_timeout_s:g}",
        )


def _connection(application: Application) -> Iterator[BrokenRule]:
    if application.connection_timeout_s < application.minimum_connection_timeout_s:
        yield BrokenRule(
            cause=Cause.CONNECTION_TIMEOUT_SHORT,
            sentence=f"connection_timeout_s {application.connection_timeout_s:g} is below"
            f" minimum_connection_timeout_s {application.minimum_connection_timeout_s:g}",
        )


def _connector(application: Application) -> Iterator[BrokenRule]:
    # Where none is given the capacity-aware one holds, which its base never exceeds: nothing to compare.
    given_s = application.connector_timeout_s
    if given_s is not None and given_s <= application.connection_timeout_s:
        advised_s = capacity_aware_timeout_s(application.connection_timeout_s, application.environment)
        advice = f"; {advised_s:g} would be capacity-aware" if advised_s > given_s else ""
        yield BrokenRule(
            cause=Cause.CONNECTOR_TIMEOUT_SHORT,
            sentence=f"connector_timeout_s {given_s:g} is not above"
            f" connection_timeout_s {application.connection_timeout_s:g}{advice}",
        )


def _user_wait(application: Application) -> Iterator[BrokenRule]:
    names = ["pool_timeout_s", "health_check_timeout_s"]
    if application.environment in CLOUD_SQL_ENVIRONMENTS:
        names.insert(1, "pool_timeout_cloud_sql_s")
    for name in names:
        wait_s: float = getattr(application, name)
        if wait_s > application.maximum_user_wait_s:
            yield BrokenRule(
                cause=Cause.USER_WAIT_LONG,
                sentence=f"{name} {wait_s:g} is above maximum_user_wait_s"
                f" {application.maximum_user_wait_s:g}: a user would wait that long",
            )


def _sources(application: Application) -> Iterator[BrokenRule]:
    for item in fields(application.alternatives):
        here: float = getattr(application, item.name)
        there: float | None = getattr(application.alternatives, item.name)
        least = item.name == "max_overflow"
        if there is None or (here >= there if least else here == there):
            continue
        yield BrokenRule(
            cause=Cause.SOURCES_DISAGREE,
            sentence=f"{item.name} is {here:g} here and {'at least ' if least else ''}{there:g}"
            " in another source: one of them is wrong",
        )


_RULES: tuple[Callable[[Application], Iterator[BrokenRule]], ...] = (
    _pool,
    _fleet,
    _initialization,
    _connection,
    _connector,
    _user_wait,
    _sources,
)
