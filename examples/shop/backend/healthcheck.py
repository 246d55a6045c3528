"""What the containers' health checks run: `healthcheck.py http` or `healthcheck.py heartbeat SECONDS`.

It imports nothing of the application, so that a check costs milliseconds.
"""

import http.client
import os
import sys
import time

HEARTBEAT = "/tmp/heartbeat"


def answers(port: int = 8000) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/api/health")
        response = connection.getresponse()
        # Docker keeps the output: `docker inspect` then says why a container is unhealthy.
        print(response.read().decode())
    except OSError as error:
        print(error)
        return False
    return response.status == 200


def beats(limit_seconds: float) -> bool:
    try:
        age = time.time() - os.stat(HEARTBEAT).st_mtime
    except FileNotFoundError:
        print("no heartbeat yet")
        return False
    print(f"last heartbeat {age:.0f} s ago")
    return age <= limit_seconds


if __name__ == "__main__":
    healthy = answers() if sys.argv[1] == "http" else beats(float(sys.argv[2]))
    sys.exit(0 if healthy else 1)
