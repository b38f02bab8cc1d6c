"""What a user would write instead of the probe: the stock connector, pg8000, SELECT 1, and one metric.

Where everything is comes from the environment, as the benchmark sets it.
"""

import os
import time

import grpc
import pg8000  # noqa: F401 - the connector's driver
from google.cloud import monitoring_v3
from google.cloud.monitoring_v3.services.metric_service.transports import MetricServiceGrpcTransport
from google.cloud.sql.connector import Connector, IPTypes


def main() -> None:
    begun = time.monotonic()
    connector = Connector(ip_type=IPTypes.PRIVATE, sqladmin_api_endpoint=os.environ["BENCH_ADMIN_API"])
    connection = connector.connect(
        os.environ["BENCH_INSTANCE"],
        "pg8000",
        user="probe",
        password=os.environ["PROBE_DB_PASSWORD"],
        db="netra",
    )
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    assert cursor.fetchone() == [1]
    connection.close()
    connector.close()
    write(time.monotonic() - begun)


def write(seconds: float) -> None:
    channel = grpc.insecure_channel(os.environ["BENCH_MONITORING"])  # type: ignore[no-untyped-call]
    client = monitoring_v3.MetricServiceClient(transport=MetricServiceGrpcTransport(channel=channel))
    series = monitoring_v3.TimeSeries()
    series.metric.type = "custom.googleapis.com/plain/connection_duration"
    series.resource.type = "generic_task"
    series.resource.labels.update(
        project_id="netra-staging",
        location="us-central1",
        namespace="plain",
        job="plain",
        task_id=os.environ["CLOUD_RUN_TASK_INDEX"],
    )
    interval = monitoring_v3.TimeInterval(end_time={"seconds": int(time.time())})
    series.points = [monitoring_v3.Point(interval=interval, value={"double_value": seconds})]
    client.create_time_series(name="projects/netra-staging", time_series=[series])


if __name__ == "__main__":
    main()
