"""What the blocks accept, what they make of it, and that no message repeats a secret."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.blocks.core import Block
from pydantic import SecretStr, ValidationError

from blocks.approver import Approver
from blocks.catalog import BLOCKS
from blocks.compose_host import ComposeHost
from blocks.git_repository import GitRepository
from blocks.github import GitHub
from blocks.github_webhooks import GitHubWebhooks
from blocks.ledger_database import LedgerDatabase
from blocks.registry import ContainerRegistry
from blocks.telegram import TelegramChannel
from blocks.webhook_channel import WebhookChannel
from tests.blocks.documents import DOCUMENTS, SECRETS
from tests.blocks.keys import private, public

INVALID = [
    (GitHubWebhooks, {"secrets": ["short"]}, "at least 16 characters"),
    (GitHubWebhooks, {"secrets": []}, "at least 1 item"),
    (GitHubWebhooks, {"repositories": {"shop": "default"}}, "expected owner/name"),
    (GitHubWebhooks, {"repositories": {"acme/shop": "a block"}}, "expected owner/name"),
    (GitHubWebhooks, {"repositories": {"acme/shop": "a", "Acme/Shop": "b"}}, "listed twice"),
    (ComposeHost, {"address": "deploy@host"}, "expected a host name or an IP address"),
    (ComposeHost, {"address": "-oProxyCommand=x"}, "expected a host name"),
    (ComposeHost, {"port": 0}, "greater than or equal to 1"),
    (ComposeHost, {"user": "-x"}, "match pattern"),
    (ComposeHost, {"private_key": public()}, "expected a private key"),
    (ComposeHost, {"passphrase": ""}, "encrypted — give its passphrase"),
    (ComposeHost, {"passphrase": "wrong-pass"}, "passphrase is wrong"),
    (ComposeHost, {"host_key": "ssh-ed25519 AAAA"}, "cut off or mistyped"),
    (ComposeHost, {"directory": "../x"}, "expected a relative path"),
    (ComposeHost, {"directory": "/"}, "expected a relative path"),
    (ComposeHost, {"connect_timeout_seconds": 0}, "greater than 0"),
    (ContainerRegistry, {"address": "https://ghcr.io"}, "expected host or host:port without scheme"),
    (ContainerRegistry, {"address": "ghcr.io/team"}, "expected host or host:port"),
    (ContainerRegistry, {"namespace": "My-Org"}, "expected lower-case path components"),
    (ContainerRegistry, {"password": ""}, "a login needs both"),
    (ContainerRegistry, {"username": ""}, "a login needs both"),
    (ContainerRegistry, {"username": "-p"}, "does not begin with a dash"),
    (GitRepository, {"url": "ext::sh -c id"}, "expected https://"),
    (GitRepository, {"url": "ext::sh"}, "expected https://"),
    (GitRepository, {"url": "--upload-pack=x"}, "expected https://"),
    (GitRepository, {"url": "ssh://-oProxyCommand=x/y"}, "expected https://"),
    (GitRepository, {"url": "relative/path"}, "expected https://"),
    (GitRepository, {"url": "https://[x"}, "expected https://"),
    (GitRepository, {"url": "https://me:pass@host/x"}, "without credentials"),
    (GitRepository, {"url": "https://token@host/x"}, "without credentials"),
    (GitRepository, {"known_hosts": ""}, "known_hosts is required for ssh"),
    (GitRepository, {"known_hosts": public()}, "expected known_hosts lines"),
    (GitRepository, {"known_hosts": "host ssh-ed25519 AAAA"}, "cut off"),
    (GitRepository, {"token": "git-token-1"}, "a token is only sent over https"),
    (GitRepository, {"default_branch": "--x"}, "expected the name of one branch"),
    (GitRepository, {"pipeline_path": "../pipeline.yaml"}, "expected a relative path"),
    (GitRepository, {"ssh_private_key": "x"}, "expected a private key"),
    (GitRepository, {"github": "Acme Shop"}, "match pattern"),
    (GitHub, {"repository": "https://github.com/acme/shop"}, "expected owner/name"),
    (GitHub, {"repository": "acme"}, "expected owner/name"),
    (GitHub, {"repository": "acme/../x"}, "expected owner/name"),
    (GitHub, {"repository": "acme/.."}, "expected owner/name"),
    (GitHub, {"repository": "-acme/shop"}, "expected owner/name"),
    (GitHub, {"app_id": 0}, "greater than or equal to 1"),
    (GitHub, {"installation_id": None}, "an app needs app_id, installation_id and private_key"),
    (GitHub, {"private_key": ""}, "an app needs"),
    (GitHub, {"private_key": "x"}, "expected a private key"),
    (GitHub, {"token": "github-token-1"}, "expected one login"),
    (GitHub, {"app_id": None, "installation_id": None, "private_key": None}, "expected one login"),
    (GitHub, {"base_url": "http://git.acme.com/api/v3"}, "sent unencrypted"),
    (GitHub, {"base_url": "api.github.com"}, "expected an address"),
    (GitHub, {"base_url": "https://me:pass@api.github.com"}, "without user and password"),
    (Approver, {"person": ""}, "at least 1 character"),
    (Approver, {"totp_secret": "JBSWY3DPEHPK3PXP"}, "at least 26 characters"),
    (Approver, {"totp_secret": "1" * 32}, "expected a base32 secret"),
    (Approver, {"totp_secret": "ü" * 32}, "expected a base32 secret"),
    (Approver, {"identities": []}, "at least 1 item"),
    (Approver, {"identities": ["  "]}, "none of them empty"),
    (LedgerDatabase, {"url": "mysql://x/y"}, "expected postgresql://"),
    (LedgerDatabase, {"url": "sqlite://"}, "expected postgresql://"),
    (LedgerDatabase, {"url": "/var/lib/ledger.db"}, "expected postgresql://"),
    (TelegramChannel, {"token": "12345"}, "expected a bot token"),
    (TelegramChannel, {"token": "1:a/../b"}, "expected a bot token"),
    (TelegramChannel, {"chat_id": "team"}, "match pattern"),
    (TelegramChannel, {"base_url": "ftp://x"}, "expected an address"),
    (WebhookChannel, {"url": "hooks.example.com/path-token-1"}, "expected an http or https address"),
    (WebhookChannel, {"url": "http://[x"}, "expected an http or https address"),
    (WebhookChannel, {"headers": {"A b": "x"}}, "expected header names"),
    (WebhookChannel, {"headers": {"A": "x\r\nB: header-token-1"}}, "expected one line of text"),
    (WebhookChannel, {"headers": {"A": 7}}, "expected header names with text values"),
]


@pytest.mark.parametrize(("block", "change", "message"), INVALID)
def test_a_mistake_is_told_without_the_secret(
    block: type[Block], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        block(**DOCUMENTS[block] | change)
    assert message in str(caught.value)
    given = [str(value) for value in change.values() if len(str(value)) > 9]
    hidden = [*SECRETS, *given] if block is Approver else SECRETS
    assert not [secret for secret in hidden if secret in str(caught.value)]


@pytest.mark.parametrize("block", BLOCKS)
def test_neither_text_nor_json_of_a_block_shows_a_secret(block: type[Block]) -> None:
    made = block(**DOCUMENTS[block])
    texts = (repr(made), str(made), made.model_dump_json(), str(made.model_json_schema()))
    assert not [secret for secret in SECRETS if any(secret in text for text in texts)]


@pytest.mark.parametrize("block", BLOCKS)
def test_every_field_has_a_title_and_a_description_for_the_form(block: type[Block]) -> None:
    schema = block.model_json_schema()
    assert block.get_block_type_slug()
    assert block.get_description()
    for name, field in schema["properties"].items():
        assert field.get("title"), name
        assert len(field.get("description", "")) > 10, name


@pytest.mark.parametrize("block", BLOCKS)
def test_what_an_older_version_saved_still_loads(block: type[Block]) -> None:
    made = block.model_validate(DOCUMENTS[block] | {"dropped_field": "dropped-secret-1"})
    assert "dropped" not in repr(made.__dict__)


def test_a_host_knows_its_keys() -> None:
    host = ComposeHost(**DOCUMENTS[ComposeHost] | {"host_key": f"{public()} a\nhost {public('ssh-rsa')}"})
    assert host.host_keys == (public(), public("ssh-rsa"))
    assert host.directory == "sluice"
    assert host.plain_passphrase
    plain = ComposeHost(**DOCUMENTS[ComposeHost] | {"private_key": private(), "passphrase": ""})
    assert plain.plain_passphrase is None


@pytest.mark.parametrize(
    ("given", "kept"), [("/srv//apps/", "/srv/apps"), ("./apps", "apps"), ("apps/x", "apps/x")]
)
def test_a_hosts_directory_is_absolute_or_relative(given: str, kept: str) -> None:
    assert ComposeHost(**DOCUMENTS[ComposeHost] | {"directory": given}).directory == kept


@pytest.mark.parametrize("address", ["server", "app-1.example.com", "10.0.0.1", "fe80::1", "::1"])
def test_host_addresses(address: str) -> None:
    assert ComposeHost(**DOCUMENTS[ComposeHost] | {"address": address}).address == address


def test_a_registry_names_repositories() -> None:
    registry = ContainerRegistry(address="GHCR.io", namespace="/team/apps/")
    assert registry.prefix == "ghcr.io/team/apps"
    assert registry.repository("shop", "Backend") == "ghcr.io/team/apps/shop/backend"
    assert ContainerRegistry(address="10.0.0.5:5000", insecure=True).url == "http://10.0.0.5:5000"
    with pytest.raises(ValueError, match="cannot name an image"):
        registry.repository("shop", "-x")


@pytest.mark.parametrize(
    ("url", "transport"),
    [
        ("https://github.com/team/shop.git", "https"),
        ("http://git.local/shop.git", "http"),
        ("ssh://git@host:2222/shop.git", "ssh"),
        ("git@github.com:team/shop.git", "ssh"),
        ("file:///srv/git/shop.git", "file"),
        ("/srv/git/shop.git", "file"),
    ],
)
def test_git_transports(url: str, transport: str) -> None:
    assert GitRepository(**DOCUMENTS[GitRepository] | {"url": url}).transport == transport


def test_a_token_goes_over_https() -> None:
    assert GitRepository(url="https://github.com/a/b", token="git-token-1").token == SecretStr("git-token-1")
    with pytest.raises(ValidationError, match="only sent over https"):
        GitRepository(url="http://github.com/a/b", token="git-token-1")


def test_an_approver_is_known_by_any_spelling() -> None:
    approver = Approver(
        person="Ana", totp_secret="jbsw y3dp-ehpk 3pxp jbsw y3dp ehpk 3pxp", identities=["@Ana-M"]
    )
    assert approver.known_as("ana-m")
    assert approver.known_as(" @ANA-M ")
    assert not approver.known_as("ana")
    assert approver.totp_secret.get_secret_value() == "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    assert approver.active


def test_a_login_on_github_is_an_identity_too() -> None:
    approver = Approver(**DOCUMENTS[Approver] | {"github_login": " @Ana-K "})
    assert approver.github_login == "Ana-K"
    assert approver.known_as("ana-k")


@pytest.mark.parametrize("login", ["ana k", "sluice[bot]", "-ana", "a" * 40 + "b", "ana\n"])
def test_what_is_no_login_of_a_person(login: str) -> None:
    if login.strip() != login:
        assert Approver(**DOCUMENTS[Approver] | {"github_login": login}).github_login == login.strip()
        return
    with pytest.raises(ValidationError):
        Approver(**DOCUMENTS[Approver] | {"github_login": login})


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgresql+psycopg://u:p@h/d?sslmode=require", "postgresql+psycopg://u:p@h/d?sslmode=require"),
        ("sqlite:////var/lib/ledger.db", "sqlite:////var/lib/ledger.db"),
    ],
)
def test_ledger_urls(given: str, kept: str) -> None:
    assert LedgerDatabase(url=given).url.get_secret_value() == kept


def test_a_chat_may_be_a_number() -> None:
    assert TelegramChannel(token="1:abc", chat_id=-100).chat_id == "-100"
    assert (
        TelegramChannel(token="1:abc", chat_id="@team_chat", base_url="http://localhost:1/").base_url
        == "http://localhost:1"
    )


def test_an_address_and_the_headers_that_log_in_are_secrets() -> None:
    url, login = WebhookChannel(**DOCUMENTS[WebhookChannel]).secrets()
    assert (url, login) == (DOCUMENTS[WebhookChannel]["url"], "Bearer header-token-1")
    assert WebhookChannel(url="http://x/", headers={"X-Team": "shop"}).secrets() == ("http://x/",)


# --- webhooks ---------------------------------------------------------------------------------------------


def test_webhooks_know_their_repositories_in_any_case() -> None:
    block = GitHubWebhooks(**DOCUMENTS[GitHubWebhooks])
    assert block.known_as("Acme/Shop") == "acme/shop"
    assert block.known_as("acme/other") is None
    assert block.keys() == (b"webhook-secret-new-1", b"webhook-secret-old-1")


def test_an_empty_private_key_is_refused_at_its_field() -> None:
    with pytest.raises(ValidationError) as caught:
        ComposeHost(**{**DOCUMENTS[ComposeHost], "private_key": ""})
    (error,) = caught.value.errors()
    assert (error["loc"], "expected a private key" in error["msg"]) == (("private_key",), True)
