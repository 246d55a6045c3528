"""Every block of the project: `prefect block register -m blocks.catalog` makes them known to the server."""

from __future__ import annotations

from blocks.approver import Approver
from blocks.compose_host import ComposeHost
from blocks.git_repository import GitRepository
from blocks.github import GitHub
from blocks.github_webhooks import GitHubWebhooks
from blocks.ledger_database import LedgerDatabase
from blocks.registry import ContainerRegistry
from blocks.telegram import TelegramChannel
from blocks.webhook_channel import WebhookChannel

# Looked through in this order for a channel's name.
NOTIFIERS = (TelegramChannel, WebhookChannel)
BLOCKS = (
    ComposeHost,
    ContainerRegistry,
    GitRepository,
    GitHub,
    GitHubWebhooks,
    Approver,
    LedgerDatabase,
    *NOTIFIERS,
)
