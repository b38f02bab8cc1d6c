"""What opening connections costs without a pool: plain pg8000 from the threads of a bare executor.

Prints the seconds from the first call to the last open connection. Where the server is comes from the
environment, as the benchmark sets it; the argument is how many connections.
"""

import os
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pg8000.dbapi

WORKERS = 35


def context() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def main(count: int) -> None:
    tls = context()

    def connect(_number: int) -> Any:
        return pg8000.dbapi.connect(  # type: ignore[no-untyped-call]
            "probe",
            host=os.environ["BENCH_HOST"],
            port=int(os.environ["BENCH_PORT"]),
            database="netra",
            password=os.environ["PROBE_DB_PASSWORD"],
            ssl_context=tls,
        )

    with ThreadPoolExecutor(WORKERS) as executor:
        begun = time.monotonic()
        connections = list(executor.map(connect, range(count)))
        print(time.monotonic() - begun)
    for connection in connections:
        connection.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
