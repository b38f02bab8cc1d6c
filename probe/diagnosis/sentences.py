"""One sentence for a person, with the values seen. Times in seconds, three significant digits."""

from collections.abc import Iterable

from probe.diagnosis.path_causes import PathCause
from probe.model.cause import Cause
from probe.model.facts import DnsFacts, ErrorFacts
from probe.model.observation import StageRecord
from probe.model.words import Failure, Path

MAX_QUOTE = 200
ALMOST_A_SECOND_S = 0.9995
"""From here on rounded to a second."""
THREE_DIGITS = 100

WHAT: dict[Cause, str] = {
    Cause.CREDENTIALS_MISSING: "the probe has no Google credentials",
    Cause.METADATA_SERVER_UNAVAILABLE: "the metadata server gave the probe no access token",
    Cause.TOKEN_REFUSED: "the token endpoint refuses the probe an access token",
    Cause.TOKEN_EXPIRED: "the probe was issued an access token that had expired already",
    Cause.TOKEN_ENDPOINT_UNAVAILABLE: "the token endpoint of the probe's credentials issues no access token",
    Cause.ADMIN_API_UNAUTHENTICATED: "the Admin API rejects the probe's access token",
    Cause.ADMIN_API_FORBIDDEN: "the probe's account may not ask the Admin API about this instance",
    Cause.ADMIN_API_BAD_REQUEST: "the Admin API finds the request wrong",
    Cause.INSTANCE_NOT_FOUND: "the Admin API knows no such instance",
    Cause.ADMIN_API_RATE_LIMITED: "the project's quota of Admin API calls is used up",
    Cause.ADMIN_API_ERROR: "the Admin API fails",
    Cause.ADMIN_API_MALFORMED: "what answers is not the Admin API",
    Cause.ADMIN_API_SILENT: "the Admin API does not answer",
    Cause.ADMIN_API_REFUSED: "the Admin API's address refuses connections",
    Cause.ADMIN_API_RESET: "the connection to the Admin API is broken off",
    Cause.ADMIN_API_UNREACHABLE: "there is no route to the Admin API, or a firewall rejects it",
    Cause.ADMIN_API_TLS: "TLS with the Admin API fails",
    Cause.WRONG_REGION: "the settings name the wrong region",
    Cause.WRONG_ENGINE: "the instance does not run PostgreSQL",
    Cause.NO_ADDRESS_OF_TYPE: "the instance has no address of the wanted type",
    Cause.NAME_NOT_FOUND: "the name {name} does not resolve",
    Cause.NAME_SERVER_FAILED: "the name server fails",
    Cause.NAME_SERVER_SILENT: "the name server does not answer",
    Cause.CONNECTOR_OR_ROUTE_SILENT: (
        "no private endpoint answers, {endpoint} no more than its neighbours: "
        "the VPC connector or the route is at fault, not the database"
    ),
    Cause.NETWORK_SILENT: (
        "{endpoint} does not answer, and no other service's endpoint tells whether "
        "the VPC connector, the route or the host is at fault"
    ),
    Cause.ENDPOINT_SILENT: (
        "{endpoint} does not answer while other private endpoints do: it is at fault, not the VPC connector"
    ),
    Cause.ENDPOINT_REFUSED: "{endpoint} refuses connections: the host answers and nothing listens there",
    Cause.ROUTE_MISSING: "there is no route to {endpoint}, or a firewall rejects it",
    Cause.NEIGHBOUR_UNREACHABLE: "the neighbour {endpoint} cannot be reached",
    Cause.BUILT_IN_SOCKET_MISSING: "Cloud Run's socket {endpoint} does not exist",
    Cause.BUILT_IN_SOCKET_REFUSED: "Cloud Run's socket {endpoint} refuses connections",
    Cause.TLS_SILENT: "{endpoint} accepts connections and its TLS handshake stays silent",
    Cause.TLS_RESET: "{endpoint} accepts connections and resets them before the TLS handshake is done",
    Cause.TLS_CLOSED: "{endpoint} accepts connections and closes them during the TLS handshake",
    Cause.TLS_NOT_SPOKEN: "{endpoint} does not speak TLS",
    Cause.TLS_DECLINED: "{endpoint} offers no TLS",
    Cause.TLS_ALERT: "{endpoint} breaks the TLS handshake off with an alert",
    Cause.SERVER_CERTIFICATE_UNTRUSTED: "the certificate of {endpoint} is not signed by the instance's CA",
    Cause.CLIENT_CERTIFICATE_EXPIRED: "the client certificate issued for {endpoint} has expired",
    Cause.CLIENT_CERTIFICATE_UNTRUSTED: "{endpoint} does not trust the CA of the client certificate",
    Cause.CLIENT_CERTIFICATE_REJECTED: "{endpoint} rejects the client certificate",
    Cause.SERVER_PROXY_SILENT: "{endpoint} completes TLS and then stays silent",
    Cause.SERVER_PROXY_CLOSED: "{endpoint} completes TLS and then cuts the connection without a reason",
    Cause.SERVER_PROXY_PROTOCOL: "{endpoint} answers inside TLS with something that is not PostgreSQL",
    Cause.DATABASE_DOWN: "PostgreSQL is not running: the server proxy has nobody to pass on to",
    Cause.DATABASE_SILENT: "PostgreSQL accepts connections and answers on no path: it hangs",
    Cause.DATABASE_STARTING: "PostgreSQL is starting up",
    Cause.DATABASE_STOPPING: "PostgreSQL is shutting down",
    Cause.DATABASE_NOT_ACCEPTING: "PostgreSQL does not accept connections in its present state",
    Cause.LOGIN_SILENT: "everything before the login works, and the login never ends",
    Cause.LOGIN_BROKEN_OFF: "the connection is cut before the login is done",
    Cause.LOGIN_PROTOCOL: "what answers the login is not PostgreSQL's protocol",
    Cause.LOGIN_REJECTED: "PostgreSQL rejects the login",
    Cause.PASSWORD_REJECTED: "PostgreSQL rejects the password; everything before the login works",
    Cause.ROLE_NOT_PERMITTED: "PostgreSQL does not let this role log in",
    Cause.HBA_REJECTED: "PostgreSQL's access rules reject the connection",
    Cause.DATABASE_MISSING: "the database does not exist on this instance",
    Cause.DATABASE_CLOSED: "the database accepts no connections",
    Cause.NOT_AUTHORISED: "the role lacks a privilege",
    Cause.SLOTS_EXHAUSTED: "all connection slots of the server are in use",
    Cause.ONLY_RESERVED_SLOTS: "only the slots reserved for superusers are left",
    Cause.ROLE_LIMIT_REACHED: "the probe's own role has reached its CONNECTION LIMIT",
    Cause.DATABASE_LIMIT_REACHED: "the database has reached its own CONNECTION LIMIT",
    Cause.QUERY_SILENT: "the login passes and the query is never answered",
    Cause.QUERY_BROKEN_OFF: "the session is ended during the query",
    Cause.QUERY_PROTOCOL: "what answers the query is not PostgreSQL's protocol",
    Cause.QUERY_FAILED: "the query fails on the server",
}
"""What is wrong, after the target's name and before what was seen."""

WHAT_ON_A_PATH: dict[tuple[Cause, Path | None], str] = {
    (Cause.CLIENT_CERTIFICATE_REJECTED, Path.PRIVATE_IP): (
        "{endpoint} demands a client certificate, and on this path none is sent"
    ),
}
"""The same where a path makes it another thing."""


UNDECIDED: dict[Cause, str] = {
    Cause.ADMIN_API_SILENT: "Google's API or the way out to it is at fault",
    Cause.SERVER_PROXY_SILENT: "the server proxy or PostgreSQL behind it hangs",
    Cause.SERVER_PROXY_CLOSED: (
        "PostgreSQL behind the server proxy is down, or the client certificate was refused without an alert"
    ),
}
"""Where several explanations fit and nothing else in the run decides between them."""


def sentence(
    cause: Cause,
    items: tuple[PathCause, ...],
    *,
    remark: str = "",
    endpoint: str = "",
    narrowed: bool = False,
) -> str:
    """``TARGET: WHAT (STAGE: SEEN; n of m attempts failed on PATHS[; also OTHERS][; remark])``.

    ``narrowed``: the rest of the run has decided between several explanations.
    """
    first = items[0]
    what = WHAT_ON_A_PATH.get((cause, first.evidence.path), WHAT[cause]).format(
        endpoint=first.evidence.endpoint or endpoint or "the endpoint", name=_name(first.record, endpoint)
    )
    what = f"at times {what}" if first.at_times else what
    what += f": {UNDECIDED[cause]}" if cause in UNDECIDED and not narrowed else ""
    seen = [f"{first.record.stage}: {what_was_seen(first.record)}", _share(items)]
    others = ", ".join(_other_failures(items))
    seen += [f"also {others}"] if others else []
    seen += [f"the client certificate was valid until {first.expired_at}"] if first.expired_at else []
    seen += [remark] if remark else []
    return f"{first.evidence.target}: {what} ({'; '.join(seen)})"


def _share(items: tuple[PathCause, ...]) -> str:
    failed = sum(len(item.evidence.failed) for item in items)
    attempts = sum(len(item.evidence.valid) for item in items)
    paths = ", ".join(dict.fromkeys(str(item.evidence.path) for item in items if item.evidence.path))
    return f"{failed} of {attempts} attempts failed" + (f" on {paths}" if paths else "")


def _other_failures(items: tuple[PathCause, ...]) -> Iterable[str]:
    """How attempts failed that did not fail like the one that is told, each way once."""
    told = (items[0].record.stage, items[0].record.failure)
    others = {
        (item.evidence.path, record.stage, record.failure): None
        for item in items
        for observation in item.evidence.failed
        if (record := observation.failed_stage) and (record.stage, record.failure) != told
    }
    several = len(items) > 1
    return [
        f"{path} {stage} {failure}" if several else f"{stage} {failure}" for path, stage, failure in others
    ]


def _name(record: StageRecord, endpoint: str) -> str:
    """Whose name did not resolve."""
    if isinstance(record.facts, DnsFacts):
        return record.facts.name
    return f"of {endpoint or 'the Admin API'}"


def what_was_seen(record: StageRecord) -> str:
    """The failure, its time, and the words of whoever reported it."""
    took_s = record.span.duration_s if record.span else 0.0
    if record.failure is Failure.TIMEOUT:
        return f"no answer for {seconds(took_s)}"
    words = record.error.message if record.error else ""
    state = f" [{record.error.sqlstate}]" if record.error and record.error.sqlstate else ""
    return f"{record.failure} after {seconds(took_s)}{state}" + (f", {quoted(words)}" if words else "")


def quoted(words: str) -> str:
    """Somebody else's words on one line, bounded and without control characters."""
    return f'"{one_line(words, MAX_QUOTE)}"'


def words_of(error: ErrorFacts | None) -> str:
    """`` [53300], "its words"``: what somebody said, with its status. Empty: nobody said anything."""
    if error is None:
        return ""
    status = error.sqlstate or (f"HTTP {error.http_status}" if error.http_status else "")
    state = f" [{status}]" if status else ""
    return state + (f", {quoted(error.message)}" if error.message else "")


def last_line(error: ErrorFacts | None) -> str:
    """`` ("KeyError: 'region'")``: the end of what was said, in brackets. Empty: nothing was."""
    lines = error.message.strip().splitlines()[-1:] if error else []
    return f" ({quoted(lines[0])})" if lines else ""


def one_line(words: str, most: int) -> str:
    """At most this many characters, all of them printable."""
    line = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    return line[: most - 1] + "…" if len(line) > most else line


def seconds(value_s: float) -> str:
    """``2.5 ms``, ``1.25 s``, ``1234 s``."""
    value, unit = (value_s * 1000, "ms") if value_s < ALMOST_A_SECOND_S else (value_s, "s")
    return f"{value:.0f} {unit}" if value >= THREE_DIGITS else f"{value:.3g} {unit}"
