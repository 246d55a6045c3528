"""The pipeline of an application that people push to, for the dispatcher's tests."""

from __future__ import annotations

TRIGGERS = """\
pipeline: shop
environments:
  feature:
    hosts: feature
    branches: [feature/*, main]
    triggers: {events: push, comments: ana}
  staging:
    hosts: staging
    branches: main
    triggers: {events: [push, merge], comments: ana}
  prod:
    hosts: prod
    tags: v*
    triggers: {events: tag, comments: ana}
"""
