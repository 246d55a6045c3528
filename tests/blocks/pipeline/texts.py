"""Pipelines the tests share."""

FULL = """\
pipeline: shop
registry: main
compose: [compose.yaml]
profiles: []
env_example: .env.example
build:
  platforms: [linux/amd64]
  args: {PORT: 8080}
  secrets: {npm: npm-token}
  timeout: 30m
  idle_timeout: 10m
migration: {service: backend, command: [alembic, upgrade, head], timeout: 15m, revisions: null}
backup: {service: db, timeout: 1h, keep: 10}
smoke:
  - http: /api/health
    json: {status: ok}
    headers: {Host: shop.example.com}
    header_secrets: {Authorization: shop-header}
    basic_auth: shop-login
    status: [200, 204]
    via: controller
    address: https://shop.example.com/app/
  - {tcp: "localhost:5432"}
  - {command: [python, ops/smoke.py, --base-url, "{address}"], in: controller}
  - {command: [python, -m, shop.smoke], in: backend, within: 1m}
keep_releases: 5
notify: [team]
pull_requests:
  open: [{branches: [feature/*], into: main, draft: true, title: "{branch}"}]
  auto_merge: [{into: docs, authors: [ana, ben], paths: ["docs/**", "*.md"], method: rebase, approve: true}]
  revert_after_rollback: [staging, prod]
timeouts: {pull: 10m, up: 5m, preflight: 1m, settle: 5s, lease_wait: 10m}
watch: {window: 5m, every: 30s, smoke: true, restarts: 1, logs: {watch: oom, ignore: [a, b], new_errors: 1, rate: null}}
environments:
  feature:
    hosts: [feature]
    address: http://localhost:8080
    branches: [feature/*, main]
    watch: null
    tags: []
    branch: main
    env_file: [.env.feature, .env]
    approvals: null
  staging: &staging
    hosts: staging
    address: http://localhost:8080
    branches: main
    proven_in: feature
  prod:
    <<: *staging
    hosts: [prod-1, prod-2]
    proven_in: staging
    branches: []
    tags: [v*]
    keep_releases: 8
    compose: [compose.yaml, compose.prod.yaml]
    profiles: [worker]
    smoke: [{http: /}]
    notify: []
    timeouts: {up: 90s}
    approvals:
      {required: 2, approvers: [ana, ben], not_author: true, not_requester: false, expires: 24h}
"""

SMALLEST = """\
pipeline: shop
environments:
  prod:
    hosts: prod
    branches: main
"""
