#!/usr/bin/env python3
"""Asks a running shop whether it works, with nothing but the standard library.

Reads only, unless --order is given: then it also places an order, waits for the worker and pays.
"""

import argparse
import json
import sys
import time
import urllib.error
import urllib.request


class SmokeError(Exception):
    """The shop answered, but not as it should."""


def fetch(base_url: str, path: str, body: dict | None = None) -> str:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base_url.rstrip("/") + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.read().decode()
    except urllib.error.HTTPError as error:
        raise SmokeError(f"{path} answered {error.code}: {error.read().decode()[:200]}") from error
    except OSError as error:
        raise SmokeError(f"{path} did not answer: {error}") from error


def check(holds: bool, complaint: str) -> None:
    if not holds:
        raise SmokeError(complaint)


def look_around(base_url: str, expected_version: str | None) -> list[dict]:
    health = json.loads(fetch(base_url, "/api/health"))
    print("health:", json.dumps(health))
    check(health["status"] == "ok", f"the status is {health['status']!r}")
    if expected_version is not None:
        running = health["version"]
        check(running == expected_version, f"version {running} runs, not {expected_version}")
    check("<title>" in fetch(base_url, "/"), "the front page has no title")
    products = json.loads(fetch(base_url, "/api/products"))
    check(len(products) > 0, "there are no products")
    print("products:", ", ".join(f"{product['sku']} {product['price']}" for product in products))
    return products


def buy(base_url: str, sku: str) -> None:
    order = json.loads(fetch(base_url, "/api/orders", {"sku": sku, "email": "smoke@example.com"}))
    path = f"/api/orders/{order['reference']}"
    deadline = time.monotonic() + 20
    while order["status"] == "placed" and time.monotonic() < deadline:
        time.sleep(0.2)
        order = json.loads(fetch(base_url, path))
    check(order["status"] == "reserved", f"order {order['id']} is {order['status']!r}; does the worker run?")
    paid = json.loads(fetch(base_url, path + "/payment", {}))
    check(paid["status"] == "paid", f"order {order['id']} is {paid['status']!r} after its payment")
    print("order:", paid["id"], paid["status"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base-url", default="http://localhost:8080")
    parser.add_argument("--version", help="the version that has to run")
    parser.add_argument("--order", action="store_true", help="place and pay an order, too")
    options = parser.parse_args()
    try:
        products = look_around(options.base_url, options.version)
        if options.order:
            buy(options.base_url, next(product["sku"] for product in products if product["stock"]))
    except SmokeError as error:
        print(f"smoke: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
