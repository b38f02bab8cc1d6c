"""What each cause means, how it is told from its neighbours, and what to do; ``probe explain`` shows it."""

from dataclasses import dataclass

from probe.model.cause import Cause
from probe.model.words import Blame, Category, Layer, Severity


@dataclass(frozen=True, slots=True)
class Entry:
    """One cause in the words of the person on call."""

    category: Category
    layer: Layer
    severity: Severity
    blame: Blame
    meaning: str
    told_by: str
    action: str
    escalate: bool = False
    """Whether the infrastructure team must act."""


def _probe(meaning: str, told_by: str, action: str, severity: Severity = Severity.WARNING) -> Entry:
    return Entry(
        Category.PROBE_FAULT, Layer.PROBE, severity, Blame.PROBE, meaning, told_by, action, escalate=False
    )


def _guard(meaning: str, told_by: str, action: str, severity: Severity = Severity.INFO) -> Entry:
    """Of the probe's own carefulness: what was measured besides is as good as ever."""
    return Entry(Category.PROBE_FAULT, Layer.PROBE, severity, Blame.NOBODY, meaning, told_by, action)


def _metrics(meaning: str, told_by: str, action: str) -> Entry:
    return Entry(
        Category.PROBE_FAULT, Layer.MONITORING, Severity.WARNING, Blame.NOBODY, meaning, told_by, action
    )


def _identity(meaning: str, told_by: str, action: str) -> Entry:
    return Entry(
        Category.CREDENTIALS_FAILURE,
        Layer.CREDENTIALS,
        Severity.CRITICAL,
        Blame.PROBE,
        meaning,
        told_by,
        action,
    )


def _broken(
    category: Category, layer: Layer, meaning: str, told_by: str, action: str, *, escalate: bool = False
) -> Entry:
    return Entry(
        category, layer, Severity.CRITICAL, Blame.TARGET, meaning, told_by, action, escalate=escalate
    )


def _advice(meaning: str, told_by: str, action: str, severity: Severity = Severity.WARNING) -> Entry:
    return Entry(
        Category.CONFIGURATION_ERROR,
        Layer.CONFIGURATION,
        severity,
        Blame.NOBODY,
        meaning,
        told_by,
        action,
    )


API = Category.SERVICE_UNAVAILABLE
NET = Category.VPC_CONNECTOR_FAILURE
TLS = Category.TLS_FAILURE
GONE = Category.DATABASE_UNAVAILABLE
SLOW = Category.DATABASE_TIMEOUT
FULL = Category.CAPACITY_CONSTRAINT
RIGHTS = Category.CREDENTIALS_FAILURE
SETUP = Category.CONFIGURATION_ERROR
START = Category.STARTUP_FAILURE

CATALOGUE: dict[Cause, Entry] = {
    # The probe itself
    Cause.PROBE_CRASHED: _probe(
        "The probe met an error of its own. It says nothing about the target.",
        "An exception that no stage foresees; the traceback stands in the observation.",
        "Report the traceback; run again with --format json for the whole of it.",
    ),
    Cause.NOT_MEASURED: _probe(
        "The run ended before this could be measured.",
        "Every attempt was cut off by the run's deadline or by a signal.",
        "Raise deadline_s, or lower samples and budgets; then run again.",
    ),
    Cause.REHEARSAL_CRASHED: _probe(
        "The process in which the start-up is rehearsed ended on an error of its own, or was killed. "
        "It says nothing about the target.",
        "It was gone before its last phase had ended; its last words stand in the summary.",
        "Report the last words; was the job short of memory?",
    ),
    Cause.PROBE_OVERLOADED: _probe(
        "The probe itself was too slow: what it measured there is not believed.",
        "Its own process did not get to run for longer than pool.start_delay_s allows.",
        "Give the job more CPU, or run it when the machine is less busy.",
    ),
    Cause.RAMP_NOT_GUARDED: _guard(
        "No pool was filled: what keeps a ramp harmless could not be had.",
        "The advisory lock, or the server's limits, could not be read over the control connection.",
        "See the reason in the summary; nothing is known to be wrong with the target.",
    ),
    Cause.ANOTHER_PROBE_BUSY: _guard(
        "No pool was filled: another probe is filling one of this instance.",
        "The advisory lock of this instance is held by somebody else.",
        "Wait for the other run; only one probe at a time fills a pool.",
    ),
    Cause.CONNECTIONS_LEFT_BEHIND: _guard(
        "Connections of the probe, of this run or of an earlier one, are still open on the server.",
        "Backends whose application_name is a probe's, counted at the first reading and after the release.",
        "They end by their session time-out; else end them with pg_terminate_backend.",
        severity=Severity.WARNING,
    ),
    Cause.METRICS_UNAVAILABLE: _metrics(
        "Cloud Monitoring did not take the metrics: unavailable or unreachable.",
        "UNAVAILABLE after bounded retries, or no credentials to write with.",
        "Nothing measured is lost: the log records hold it. With all-traffic egress check the way out.",
    ),
    Cause.METRICS_REFUSED: _metrics(
        "Cloud Monitoring refused all metrics.",
        "A definite status such as PERMISSION_DENIED, which no retry can change.",
        "Grant roles/monitoring.metricWriter to the probe's account on the metrics' project.",
    ),
    Cause.METRICS_PARTLY_REFUSED: _metrics(
        "Cloud Monitoring stored some of the metrics and refused others.",
        "The summary that the service attaches to its answer counts both.",
        "See the reasons in the summary; `probe metrics apply` brings the descriptors up to date.",
    ),
    Cause.METRICS_SILENT: _metrics(
        "Cloud Monitoring did not answer within its budget.",
        "DEADLINE_EXCEEDED on every try.",
        "With all-traffic egress the subnet needs Private Google Access or NAT.",
    ),
    # Credentials
    Cause.CREDENTIALS_MISSING: _identity(
        "The probe has no Google credentials, so it cannot ask the Admin API.",
        "Application Default Credentials found none, before any network call.",
        "On Cloud Run set a service account; elsewhere `gcloud auth application-default login`.",
    ),
    Cause.METADATA_SERVER_UNAVAILABLE: _identity(
        "The metadata server, which issues the probe's access tokens, does not answer.",
        "No token within the budget, or no connection to the metadata server.",
        "On Cloud Run run again, then open a case; elsewhere check GCE_METADATA_HOST.",
    ),
    Cause.TOKEN_REFUSED: _identity(
        "The token endpoint refuses to issue an access token.",
        "A definite refusal such as invalid_grant.",
        "Renew the credentials: a revoked key, an expired login or a deleted account.",
    ),
    Cause.TOKEN_EXPIRED: _identity(
        "The access token had expired when it was issued.",
        "Its expiry lies in the past right after the refresh.",
        "Compare the clocks of this machine and of the metadata server.",
    ),
    Cause.TOKEN_ENDPOINT_UNAVAILABLE: _identity(
        "The token endpoint that the probe's credentials name issues no token; the Admin API was not asked.",
        "Its name does not resolve, it cannot be reached, it is silent, or what it answers is not a token.",
        "Check the credentials' token_uri (Google's: oauth2.googleapis.com) and the way out to it.",
    ),
    Cause.ADMIN_API_UNAUTHENTICATED: _identity(
        "The Admin API does not accept the probe's access token.",
        "HTTP 401.",
        "Check which account the probe runs as, and that its credentials are not revoked.",
    ),
    Cause.ADMIN_API_FORBIDDEN: _identity(
        "The probe's account may not ask about this instance. Whether the application may is not known.",
        "HTTP 403 from the Admin API.",
        "Grant roles/cloudsql.client to the probe's account; check that the Cloud SQL Admin API is enabled.",
    ),
    # Admin API
    Cause.ADMIN_API_BAD_REQUEST: _broken(
        SETUP,
        Layer.ADMIN_API,
        "The Admin API finds the request wrong.",
        "HTTP 400; its message stands in the summary.",
        "Check the instance name and the instance's state in the console.",
    ),
    Cause.INSTANCE_NOT_FOUND: _broken(
        SETUP,
        Layer.ADMIN_API,
        "There is no such instance: it was deleted, or its name or project is misspelt in the settings.",
        "HTTP 404 from the Admin API.",
        "Compare `instance` with `gcloud sql instances list`.",
    ),
    Cause.ADMIN_API_RATE_LIMITED: _broken(
        FULL,
        Layer.ADMIN_API,
        "The project's quota of Admin API calls is used up: every connector in it is refused as well.",
        "HTTP 429.",
        "Find who asks so often (each failed connect of a LAZY connector asks again); raise the quota.",
    ),
    Cause.ADMIN_API_ERROR: _broken(
        API,
        Layer.ADMIN_API,
        "The Admin API itself is failing; new connections through a connector cannot be set up.",
        "HTTP 5xx.",
        "See the Google Cloud status page; established connections go on.",
    ),
    Cause.ADMIN_API_MALFORMED: _broken(
        API,
        Layer.ADMIN_API,
        "What answered is not the Admin API: a proxy's page, or an answer without what the API promises.",
        "HTTP 200 without the promised JSON.",
        "Look for a proxy or a captive portal in the way out; check sqladmin.endpoint.",
    ),
    Cause.ADMIN_API_SILENT: _broken(
        API,
        Layer.ADMIN_API,
        "The Admin API does not answer. Two causes fit: Google's API, or the way out to it.",
        "No answer within the budget; the database was not reached yet.",
        "With all-traffic egress the subnet needs Private Google Access or NAT: check that first.",
        escalate=True,
    ),
    Cause.ADMIN_API_REFUSED: _broken(
        API,
        Layer.ADMIN_API,
        "Nothing listens at the Admin API's address.",
        "Connection refused.",
        "Check sqladmin.endpoint, and DNS zones or proxies that redirect googleapis.com.",
    ),
    Cause.ADMIN_API_RESET: _broken(
        API,
        Layer.ADMIN_API,
        "The connection to the Admin API is broken off before an answer.",
        "A reset, or a close without a response.",
        "Look for a firewall or proxy that inspects traffic on the way out.",
        escalate=True,
    ),
    Cause.ADMIN_API_UNREACHABLE: _broken(
        NET,
        Layer.NETWORK,
        "There is no route to the Admin API, or a firewall on the way rejects the connection.",
        "The kernel, a router or a firewall says unreachable or prohibited, rather than nothing.",
        "Check the egress setting, routes, NAT and firewall rules of the connector's network.",
        escalate=True,
    ),
    Cause.ADMIN_API_TLS: _broken(
        TLS,
        Layer.ADMIN_API,
        "TLS with the Admin API fails: something else answers at its address.",
        "The handshake or the certificate's verification fails.",
        "Look for a proxy that intercepts TLS; check sqladmin.endpoint.",
    ),
    Cause.WRONG_REGION: Entry(
        SETUP,
        Layer.CONFIGURATION,
        Severity.CRITICAL,
        Blame.PROBE,
        "The settings name another region than the instance's: a connector refuses that.",
        "The region in the Admin API's answer.",
        "Correct the middle part of `instance`; compare with what the application uses.",
    ),
    Cause.WRONG_ENGINE: Entry(
        SETUP,
        Layer.CONFIGURATION,
        Severity.CRITICAL,
        Blame.PROBE,
        "The instance does not run PostgreSQL.",
        "databaseVersion in the Admin API's answer.",
        "Correct `instance`.",
    ),
    Cause.NO_ADDRESS_OF_TYPE: _broken(
        SETUP,
        Layer.ADMIN_API,
        "The instance has no address of the type that this path wants.",
        "The list of addresses in the Admin API's answer.",
        "Give the instance a private address, or change `ip_type`.",
        escalate=True,
    ),
    # Names
    Cause.NAME_NOT_FOUND: _broken(
        SETUP,
        Layer.DNS,
        "The name of the endpoint does not resolve.",
        "The resolver answered that there is no such name.",
        "Check the private DNS zone and that it is attached to this network.",
        escalate=True,
    ),
    Cause.NAME_SERVER_FAILED: _broken(
        NET,
        Layer.DNS,
        "The resolver could not answer.",
        "It failed, rather than saying that there is no such name.",
        "Check the DNS server of this network and the way to it.",
        escalate=True,
    ),
    Cause.NAME_SERVER_SILENT: _broken(
        NET,
        Layer.DNS,
        "The resolver does not answer.",
        "No answer within the budget of the dns stage.",
        "Check the DNS server of this network and the way to it.",
        escalate=True,
    ),
    # The way there
    Cause.EGRESS_SLOW: Entry(
        NET,
        Layer.NETWORK,
        Severity.WARNING,
        Blame.NOBODY,
        "The first outbound connection had to wait; after that the way was there.",
        "Fresh sockets to the private endpoints from the start of the run.",
        "Known after a start under direct VPC egress; otherwise look at the connector's scaling.",
    ),
    Cause.CONNECTOR_OR_ROUTE_SILENT: _broken(
        NET,
        Layer.NETWORK,
        "No private endpoint answers: the VPC connector or the route behind it is at fault, "
        "not the database.",
        "Every private endpoint that was tried was silent, neighbours included, all the time or at times.",
        "Check the connector's state and its subnet's firewall rules and routes; escalate.",
        escalate=True,
    ),
    Cause.NETWORK_SILENT: _broken(
        NET,
        Layer.NETWORK,
        "The endpoint does not answer, and no endpoint of another service was there to compare with: "
        "the connector, the route or the host is at fault.",
        "No answer to the SYN; configure `[[neighbours]]` to tell these apart.",
        "Check the connector's state, then whether the instance is running.",
        escalate=True,
    ),
    Cause.ENDPOINT_SILENT: _broken(
        GONE,
        Layer.ENDPOINT,
        "This endpoint is silent, while others behind the same connector answer all the time.",
        "No answer to the SYN here; an answer from another private endpoint in the same run.",
        "Check whether the instance is running, its private address, and firewall rules for this port.",
        escalate=True,
    ),
    Cause.ENDPOINT_REFUSED: _broken(
        GONE,
        Layer.ENDPOINT,
        "The host answers, and nothing listens on this port.",
        "Connection refused: the network is fine up to the host.",
        "Check whether the instance is restarting or stopped, and its address.",
    ),
    Cause.ROUTE_MISSING: _broken(
        NET,
        Layer.NETWORK,
        "There is no route to the endpoint, or a firewall on the way rejects the connection.",
        "The kernel, a router or a firewall says unreachable or prohibited, rather than nothing.",
        "Check routes and peering between the connector's network and the instance's, "
        "and firewall rules that reject.",
        escalate=True,
    ),
    Cause.NEIGHBOUR_UNREACHABLE: Entry(
        Category.SERVICE_UNAVAILABLE,
        Layer.NEIGHBOUR,
        Severity.WARNING,
        Blame.TARGET,
        "Another private part behind the same connector cannot be reached.",
        "Its name does not resolve, or TCP to it fails, while other private endpoints answer.",
        "Look at that service; the way to it is shared and works.",
    ),
    Cause.BUILT_IN_SOCKET_MISSING: _broken(
        SETUP,
        Layer.BUILT_IN_PROXY,
        "Cloud Run's socket for this instance does not exist.",
        "No such file under the socket folder.",
        "Add the instance to the job's Cloud SQL connections, or leave the socket path out.",
    ),
    Cause.BUILT_IN_SOCKET_REFUSED: _broken(
        GONE,
        Layer.BUILT_IN_PROXY,
        "Cloud Run's socket for this instance is there and refuses connections.",
        "Connection refused on the Unix socket.",
        "Look at the job's system log for the built-in proxy's messages.",
    ),
    # TLS and the server proxy
    Cause.TLS_SILENT: _broken(
        TLS,
        Layer.SERVER_PROXY,
        "The endpoint accepts connections and never answers the TLS handshake.",
        "TCP passed; no byte, or never enough of them, came back within the budget of the tls stage.",
        "The server proxy hangs or something else holds its port: restart the instance, or escalate.",
        escalate=True,
    ),
    Cause.TLS_RESET: _broken(
        TLS,
        Layer.SERVER_PROXY,
        "The connection is reset on accept or during the TLS handshake.",
        "The SYN was answered; a reset came before the handshake was done.",
        "Look for a firewall that cuts TLS, and at the instance's log.",
        escalate=True,
    ),
    Cause.TLS_CLOSED: _broken(
        TLS,
        Layer.SERVER_PROXY,
        "The connection is closed on accept or during the TLS handshake.",
        "TCP passed; an orderly end came before the handshake was done.",
        "Look at the instance's log; it may be shutting down.",
        escalate=True,
    ),
    Cause.TLS_NOT_SPOKEN: _broken(
        TLS,
        Layer.SERVER_PROXY,
        "What listens there does not speak TLS.",
        "Its first bytes are no TLS record; they stand in the summary.",
        "Check address and port: something else answers at the instance's place.",
    ),
    Cause.TLS_DECLINED: _broken(
        TLS,
        Layer.DATABASE,
        "PostgreSQL offers no TLS on its own port.",
        "It answered N to the SSLRequest.",
        'Enable TLS on the server, or set tls = "disable" for this path.',
    ),
    Cause.TLS_ALERT: _broken(
        TLS,
        Layer.SERVER_PROXY,
        "The server broke the TLS handshake off with an alert that is not about the client certificate.",
        "The alert stands in the summary: a version or cipher that it does not take.",
        "Check that what answers is the instance's server proxy, which speaks TLS 1.3.",
    ),
    Cause.SERVER_CERTIFICATE_UNTRUSTED: _broken(
        TLS,
        Layer.SERVER_PROXY,
        "The server's certificate is not signed by the CA that the instance is known by.",
        "Verification failed on our side.",
        "Was the server CA rotated? Compare with the Admin API, or with `server_ca`.",
    ),
    Cause.CLIENT_CERTIFICATE_EXPIRED: _broken(
        TLS,
        Layer.ADMIN_API,
        "The client certificate that the Admin API issued has expired.",
        "The server's alert says so, or the certificate's own dates do when the server gives no reason.",
        "Compare the clocks of this machine, the Admin API and the instance.",
    ),
    Cause.CLIENT_CERTIFICATE_UNTRUSTED: _broken(
        TLS,
        Layer.SERVER_PROXY,
        "The server proxy does not trust the CA that signed the client certificate.",
        "Its alert: unknown CA.",
        "Was the certificate issued for another instance? Compare `instance` with the address.",
    ),
    Cause.CLIENT_CERTIFICATE_REJECTED: _broken(
        TLS,
        Layer.SERVER_PROXY,
        "The client certificate is rejected, or one is demanded on a path that has none (`private_ip`).",
        "An alert about it, other than expired or unknown CA, stands in the summary.",
        "Check the instance's SSL mode and its connector enforcement.",
    ),
    Cause.SERVER_PROXY_SILENT: _broken(
        SLOW,
        Layer.SERVER_PROXY,
        "TLS is established and then nothing: the server proxy, or PostgreSQL behind it, does not answer.",
        "No answer to the SSLRequest inside TLS.",
        "Look at the instance's CPU and memory; restart it if it hangs.",
        escalate=True,
    ),
    Cause.SERVER_PROXY_CLOSED: _broken(
        GONE,
        Layer.SERVER_PROXY,
        "TLS is established and then cut. Two causes fit: PostgreSQL behind the server proxy is down, "
        "or the client certificate was refused without an alert.",
        "A reset or close after the handshake and no reason given; the certificate's dates are valid.",
        "Check whether the instance is running; measuring `private_ip` as well tells the two apart.",
        escalate=True,
    ),
    Cause.SERVER_PROXY_PROTOCOL: _broken(
        GONE,
        Layer.SERVER_PROXY,
        "What answers inside TLS is not PostgreSQL's protocol.",
        "An SSLRequest is answered with one letter; this was something else.",
        "Check that the instance runs PostgreSQL and that nothing stands in between.",
    ),
    Cause.SSLREQUEST_REFUSED: Entry(
        SETUP,
        Layer.CONFIGURATION,
        Severity.INFO,
        Blame.TARGET,
        "The server proxy resets the SSLRequest inside TLS, and works without it. pg8000 sends one by "
        "default: an application that lets it cannot start.",
        "One reset, then a dial without it went through.",
        'Pass ssl_context=False to pg8000 in the application; where it does, set proxy_check = "off" here.',
    ),
    # PostgreSQL
    Cause.DATABASE_DOWN: _broken(
        GONE,
        Layer.DATABASE,
        "PostgreSQL is not running; the host and the server proxy are.",
        "Its own port refuses, while the server proxy shakes hands and then has nobody to pass on to.",
        "Start the instance; look at its log for why it stopped.",
        escalate=True,
    ),
    Cause.DATABASE_SILENT: _broken(
        SLOW,
        Layer.DATABASE,
        "PostgreSQL accepts connections and answers nothing, on every path.",
        "Silent on every path, before the login already.",
        "Its postmaster hangs: look at CPU, memory and storage of the instance; restart it.",
        escalate=True,
    ),
    Cause.DATABASE_STARTING: _broken(
        GONE,
        Layer.DATABASE,
        "PostgreSQL is starting up or recovering.",
        "SQLSTATE 57P03, starting up.",
        "Wait for it; a recovery that takes long is seen in the instance's log.",
    ),
    Cause.DATABASE_STOPPING: _broken(
        GONE,
        Layer.DATABASE,
        "PostgreSQL is shutting down.",
        "SQLSTATE 57P03, shutting down.",
        "Find out who stops it: maintenance, a restart, a failover.",
    ),
    Cause.DATABASE_NOT_ACCEPTING: _broken(
        GONE,
        Layer.DATABASE,
        "PostgreSQL runs and does not accept connections in its present state.",
        "SQLSTATE 57P03 with another text.",
        "See the instance's state and log: a standby or a recovery, say.",
    ),
    Cause.LOGIN_SILENT: _broken(
        SLOW,
        Layer.DATABASE,
        "The login never ends, or is not answered at all.",
        "Everything before the login passed; no answer within the budget of the login stage.",
        "Look for locks on pg_authid or pg_database, and for CPU or storage at its limit.",
        escalate=True,
    ),
    Cause.LOGIN_BROKEN_OFF: _broken(
        GONE,
        Layer.DATABASE,
        "The connection is cut before the login is done, without a reason.",
        "A reset or close in the login stage; without TLS also a reset on accept.",
        "See PostgreSQL's log: a crash of its process, or memory used up.",
        escalate=True,
    ),
    Cause.LOGIN_PROTOCOL: _broken(
        GONE,
        Layer.DATABASE,
        "What answers the login is not PostgreSQL's protocol.",
        "A message of an unknown type or an impossible length.",
        "Check what stands between: a pooler or another service.",
    ),
    Cause.LOGIN_REJECTED: _broken(
        GONE,
        Layer.DATABASE,
        "PostgreSQL rejects the login for a reason of its own.",
        "Its message and SQLSTATE stand in the summary.",
        "Act on PostgreSQL's message.",
    ),
    Cause.PASSWORD_REJECTED: _broken(
        RIGHTS,
        Layer.DATABASE,
        "PostgreSQL rejects the password or the role; everything before that works.",
        "SQLSTATE 28P01.",
        "Compare the secret with the role's password; was it rotated?",
    ),
    Cause.ROLE_NOT_PERMITTED: _broken(
        RIGHTS,
        Layer.DATABASE,
        "The role exists and may not log in.",
        "SQLSTATE 28000, raised for the role.",
        "ALTER ROLE ... LOGIN, or use another role.",
    ),
    Cause.HBA_REJECTED: _broken(
        RIGHTS,
        Layer.DATABASE,
        "PostgreSQL's access rules reject this connection.",
        "SQLSTATE 28000, raised by the client authentication.",
        "Check the instance's SSL mode, IAM authentication flag and authorised networks.",
    ),
    Cause.DATABASE_MISSING: _broken(
        SETUP,
        Layer.DATABASE,
        "There is no database of this name on the instance.",
        "SQLSTATE 3D000, after a successful authentication.",
        "Create it, or correct `database`.",
    ),
    Cause.DATABASE_CLOSED: _broken(
        SETUP,
        Layer.DATABASE,
        "This database accepts no connections.",
        "SQLSTATE 55000.",
        "ALTER DATABASE ... ALLOW_CONNECTIONS true.",
    ),
    Cause.NOT_AUTHORISED: _broken(
        RIGHTS,
        Layer.DATABASE,
        "The role lacks a privilege on this database.",
        "SQLSTATE 42501.",
        "GRANT CONNECT ON DATABASE ... TO the role.",
    ),
    Cause.SLOTS_EXHAUSTED: _broken(
        FULL,
        Layer.DATABASE,
        "All connection slots of the server are in use.",
        "SQLSTATE 53300, too many clients.",
        "Reduce the pools, end idle sessions, or raise max_connections.",
    ),
    Cause.ONLY_RESERVED_SLOTS: _broken(
        FULL,
        Layer.DATABASE,
        "Only the slots reserved for superusers are left.",
        "SQLSTATE 53300, remaining slots are reserved.",
        "Reduce the pools, end idle sessions, or raise max_connections.",
    ),
    Cause.ROLE_LIMIT_REACHED: Entry(
        FULL,
        Layer.DATABASE,
        Severity.CRITICAL,
        Blame.PROBE,
        "The probe's own role has reached its CONNECTION LIMIT: ours, not the server's.",
        "SQLSTATE 53300, raised for the role.",
        "End what earlier runs left under this role, or raise its CONNECTION LIMIT.",
    ),
    Cause.DATABASE_LIMIT_REACHED: _broken(
        FULL,
        Layer.DATABASE,
        "This database has reached its own CONNECTION LIMIT; the server has slots left.",
        "SQLSTATE 53300, raised for the database.",
        "ALTER DATABASE ... CONNECTION LIMIT, or reduce the pools.",
    ),
    Cause.PARAMETERS_REFUSED: _advice(
        "The server does not know the start-up parameters that make it let go of a lost connection.",
        "SQLSTATE 42704, or a pooler's refusal; without them the login went through.",
        "PostgreSQL before 14, or a pooler: nothing is wrong with the path.",
        severity=Severity.INFO,
    ),
    Cause.QUERY_SILENT: _broken(
        SLOW,
        Layer.DATABASE,
        "The login passed and the query is never answered.",
        "No answer to SELECT 1, or to the application stack's first queries, within their budget.",
        "Look at CPU and locks of the instance, and at what stands between.",
        escalate=True,
    ),
    Cause.QUERY_BROKEN_OFF: _broken(
        GONE,
        Layer.DATABASE,
        "The session is ended during the query.",
        "A reset, a close, or SQLSTATE 57P01 to 57P05.",
        "Find out who ends sessions: an administrator, a failover, memory used up.",
    ),
    Cause.QUERY_PROTOCOL: _broken(
        GONE,
        Layer.DATABASE,
        "What answers the query is not PostgreSQL's protocol.",
        "A message of an unknown type or an impossible length, after a login that was one.",
        "Check what stands between: a pooler, or something that alters the traffic.",
    ),
    Cause.QUERY_FAILED: _broken(
        GONE,
        Layer.DATABASE,
        "The query fails on the server.",
        "Its message and SQLSTATE stand in the summary.",
        "Act on PostgreSQL's message.",
    ),
    Cause.SLOW_CONNECTION: Entry(
        SLOW,
        Layer.DATABASE,
        Severity.WARNING,
        Blame.TARGET,
        "Connections succeed, and slowly.",
        "The mean or a single connection time is above its threshold; the slowest stage is named.",
        "A slow tcp stage speaks of the network, a slow login of the server.",
    ),
    # The application's start-up
    Cause.STARTUP_FAILED: _broken(
        START,
        Layer.APPLICATION,
        "The application would not start: a required phase of its start-up did not complete, "
        "the phases after it never begin, and its container ends with exit code 3.",
        "A rehearsal with the application's own stack, phase by phase against its budgets. Where it failed "
        "for want of something of the probe's own, the summary says so: then nothing is known.",
        "Act on the finding that explains it.",
    ),
    Cause.STARTUP_SLOW: Entry(
        START,
        Layer.APPLICATION,
        Severity.WARNING,
        Blame.TARGET,
        "The application would start, and slowly.",
        "All phases of the rehearsal completed, and together took longer than their threshold.",
        "Look at the phase that the summary names.",
    ),
    Cause.SECRET_MISSING: _identity(
        "A secret that the application needs is not set where the probe runs. Whether the application has it "
        "is not known.",
        "The names in startup.secrets and the target's password, looked up in the rehearsal's environment.",
        "Give the probe's job the application's secrets, and see whether the application has them.",
    ),
    Cause.STARTUP_DATABASE_FAILED: _broken(
        START,
        Layer.APPLICATION,
        "The application's own stack does not get through to the database, and cannot tell how far it came.",
        "The rehearsal's connect was silent or cut off; nothing that the dialler met explains it.",
        "Run the check cloudsql too; where it gets through, compare the connector's version and settings.",
        escalate=True,
    ),
    Cause.REQUIRED_TABLE_MISSING: _broken(
        SETUP,
        Layer.DATABASE,
        "A table that the application requires does not exist.",
        "startup.required_tables, looked up in pg_catalog over the application's own stack.",
        "Run the migrations, or correct startup.required_tables.",
    ),
    Cause.SCHEMA_CHECK_SLOW: _broken(
        SLOW,
        Layer.DATABASE,
        "The schema check is not answered in time; connecting and the first query are.",
        "The database phase ran out of time in its step schema_check.",
        "Look for locks on the catalogue tables (a migration, say), and at the instance's CPU and storage.",
        escalate=True,
    ),
    Cause.CACHE_UNREACHABLE: _broken(
        API,
        Layer.CACHE,
        "The cache cannot be reached, breaks connections off, or lets nobody in just now.",
        "The connect or its TLS fails, the connection ends early, or PING is answered with an error.",
        "See its own words; then the address, TLS setting, firewall rules.",
    ),
    Cause.CACHE_PASSWORD_REJECTED: _broken(
        RIGHTS,
        Layer.CACHE,
        "The cache rejects the password, wants one that is not configured, or has none and is sent one.",
        "Redis's answer to AUTH or PING: WRONGPASS, NOAUTH, or AUTH without any password configured.",
        "Compare startup.cache's password with the server's: was it rotated, switched on or off?",
    ),
    Cause.CACHE_SILENT: _broken(
        API,
        Layer.CACHE,
        "The cache accepts connections and does not answer.",
        "The connect passed; TLS, AUTH or PING was not answered within the phase's budget.",
        "Look at the Redis instance's CPU and memory, and for a command that blocks it.",
    ),
    Cause.SERVICE_UNAVAILABLE: _broken(
        API,
        Layer.SERVICE,
        "A service that the application calls cannot be reached, or is not healthy.",
        "Its health address does not answer, or answers something else than that it is well.",
        "See what it met: a name or port is the address in startup.services, a certificate the service's "
        "TLS; an answer that is not well stands in the service's own log.",
    ),
    Cause.WEBSOCKET_NOT_READY: _broken(
        API,
        Layer.SERVICE,
        "The WebSocket endpoint is not ready.",
        "It answers the handshake neither with 101 nor with a refusal that shows it is there.",
        "Look at the service behind it, and at the load balancer in front.",
    ),
    Cause.APPLICATION_UNHEALTHY: _broken(
        API,
        Layer.SERVICE,
        "The application's own health address does not say that it is well.",
        "No answer, or another than 200 and a status of healthy or ok.",
        "Look at the application's log: which of its parts does it wait for?",
    ),
    # Connections under load, and room for the pool
    Cause.CONNECTIONS_UNDER_PRESSURE: Entry(
        FULL,
        Layer.DATABASE,
        Severity.WARNING,
        Blame.TARGET,
        "Most of the server's connections are in use already.",
        "pg_stat_activity against max_connections less reserved, before the probe opened any of its own.",
        "Look at who holds them in the summary: reduce that pool, or raise max_connections.",
    ),
    Cause.LOGINS_FAIL_BESIDE_RAMP: Entry(
        FULL,
        Layer.DATABASE,
        Severity.WARNING,
        Blame.TARGET,
        "Connections that should have fitted failed while the ramp held its own; it stopped and let go.",
        "A login beside the ramp, one of its own or its control connection failed; figures in the summary.",
        "Where no slot was left, look for who takes connections at the same time (the summary names the "
        "largest holders); else the server's log says why it ended or did not answer them: a restart, say.",
    ),
    Cause.CONNECTS_SLOW_UNDER_LOAD: Entry(
        FULL,
        Layer.DATABASE,
        Severity.INFO,
        Blame.TARGET,
        "Connecting takes longer the more connections are open.",
        "The connect times of the ramp: their median doubled, or many of them are above the budget.",
        "Look at the instance's CPU, and at the connector's scaling.",
    ),
    Cause.POOL_EXHAUSTED: Entry(
        FULL,
        Layer.APPLICATION,
        Severity.INFO,
        Blame.NOBODY,
        "More workers wanted a connection than the pool has: some waited until the pool gave up.",
        "Acquisitions that ended with the pool's own time-out, in a ramp that was not guarded.",
        "Expected where the workers outnumber the pool; else a larger pool, or shorter work.",
    ),
    Cause.POOL_EXCEEDS_SERVER_LIMIT: _advice(
        "The pool of one instance does not fit the connections that the server really has.",
        "pool_size + max_overflow against the limits read from the server.",
        "Reduce the pool, or raise the limit that the summary names.",
    ),
    Cause.FLEET_EXCEEDS_SERVER_LIMIT: _advice(
        "The pools of all instances together do not fit the connections that the server really has.",
        "max_instances x pool against the limits read from the server.",
        "Reduce pool or instances, raise max_connections, or put a pooler in between.",
    ),
    Cause.POOL_DOES_NOT_FIT_NOW: _advice(
        "The pool of one instance fits the server, and not what is free of it just now.",
        "pool_size + max_overflow against the free connections at the first reading.",
        "Instances that are running may account for it; else reduce the pool.",
        severity=Severity.INFO,
    ),
    Cause.ROLE_LIMIT_BELOW_POOL: _advice(
        "The probe's own role may have fewer connections than the pool: ours, not the server's.",
        "rolconnlimit of the role that the probe logs in as.",
        "Nothing is wrong; raise the role's CONNECTION LIMIT where more is to be tried.",
        severity=Severity.INFO,
    ),
    # Configuration
    Cause.POOL_EXCEEDS_LIMIT: _advice(
        "The pool of one instance does not fit the server's connections.",
        "pool_size + max_overflow against (limit - reserved) x margin.",
        "Reduce the pool, or raise max_connections.",
    ),
    Cause.FLEET_EXCEEDS_LIMIT: _advice(
        "The pools of all instances together do not fit the server's connections.",
        "max_instances x pool against (limit - reserved) x margin.",
        "Reduce pool or instances, raise max_connections, or put a pooler in between.",
    ),
    Cause.INITIALIZATION_BUDGET_SHORT: _advice(
        "The start-up's database budget is too short for one slow connection.",
        "It must hold a connection timeout and a scaling delay, and the given minimum.",
        "Raise initialization_timeout_s.",
    ),
    Cause.CONNECTION_TIMEOUT_SHORT: _advice(
        "The connection timeout is below what the connector needs.",
        "connection_timeout_s against its minimum.",
        "Raise connection_timeout_s.",
    ),
    Cause.CONNECTOR_TIMEOUT_SHORT: _advice(
        "The timeout towards the connector does not exceed the one towards Cloud SQL.",
        "connector_timeout_s against connection_timeout_s.",
        "Raise connector_timeout_s.",
    ),
    Cause.USER_WAIT_LONG: _advice(
        "A user would wait longer than the maximum.",
        "Pool wait and health timeout against maximum_user_wait_s.",
        "Lower that timeout.",
    ),
    Cause.SOURCES_DISAGREE: _advice(
        "Two sources name different values for the same setting.",
        "The value in [application] against [application.alternatives].",
        "Decide which one holds, and remove the other.",
    ),
    Cause.GATEWAY_AS_TARGET: _advice(
        "An endpoint is the gateway of the connector's subnet, which answers no TCP.",
        "connector.gateway against the addresses of targets and neighbours.",
        "Use the instance's own private address.",
    ),
}
