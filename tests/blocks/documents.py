"""One valid document of every block, with the secrets that must not show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blocks.approver import Approver
from blocks.compose_host import ComposeHost
from blocks.git_repository import GitRepository
from blocks.github import GitHub
from blocks.github_webhooks import GitHubWebhooks
from blocks.ledger_database import LedgerDatabase
from blocks.registry import ContainerRegistry
from blocks.telegram import TelegramChannel
from blocks.webhook_channel import WebhookChannel
from tests.blocks.keys import private, public

PASSPHRASE = "correct-horse-battery"
PRIVATE_KEY = private(passphrase=PASSPHRASE)
DEPLOY_KEY = private("ecdsa-sha2-nistp256")
APP_KEY = private("ssh-rsa")

DOCUMENTS: Mapping[type, dict[str, Any]] = {
    ComposeHost: {
        "address": "10.0.0.7",
        "private_key": PRIVATE_KEY,
        "passphrase": PASSPHRASE,
        "host_key": public(),
    },
    ContainerRegistry: {"address": "10.0.0.5:5000", "username": "ci", "password": "registry-pass-1"},
    GitRepository: {
        "url": "git@git.example.com:team/shop.git",
        "ssh_private_key": DEPLOY_KEY,
        "known_hosts": f"git.example.com {public()}",
    },
    GitHub: {
        "repository": "acme/shop",
        "app_id": 7,
        "installation_id": 8,
        "private_key": APP_KEY,
    },
    GitHubWebhooks: {
        "secrets": ["webhook-secret-new-1", "webhook-secret-old-1"],
        "repositories": {"acme/shop": "default"},
    },
    Approver: {
        "person": "Ana Mora",
        "totp_secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        "identities": ["ana@example.com", "ana-m"],
    },
    LedgerDatabase: {"url": "postgresql://ledger:ledger-pass-1@db/ledger"},
    TelegramChannel: {"token": "12345:telegram-token-abc", "chat_id": -100123},
    WebhookChannel: {
        "url": "https://hooks.example.com/path-token-1",
        "headers": {"Authorization": "Bearer header-token-1"},
    },
}

SECRETS = (
    PRIVATE_KEY.splitlines()[2],
    PASSPHRASE,
    DEPLOY_KEY.splitlines()[2],
    APP_KEY.splitlines()[2],
    "registry-pass-1",
    "JBSWY3DPEHPK3PXP",
    "ledger-pass-1",
    "telegram-token-abc",
    "path-token-1",
    "header-token-1",
    "webhook-secret-new-1",
    "webhook-secret-old-1",
)
