"""A registry: the contract on the fake and on a real one, logins and faults on a small web server."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tasks.adapters.registry import HttpRegistry
from tasks.kernel.errors import TerminalError, TransientError
from tasks.kernel.protocols import Registry
from tests.fakes.registry import FakeRegistry
from tests.lab.lab import Lab
from tests.lab.registry import Registry as LabRegistry
from tests.tasks.adapters.web import Asked, Reply, Web, endless, in_turn, serve

# One of its parameters asks for the lab.
pytestmark = pytest.mark.lab

DIGEST = "sha256:" + "ab" * 32
PASSWORD = "pass word"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


# -- the contract ---------------------------------------------------------------------------------------------------


class Put(Protocol):
    """Puts an image into a registry and returns its digest."""

    def __call__(self, repository: str, tag: str, content: str) -> str: ...


@dataclass
class Case:
    """A registry and the way to fill it."""

    registry: Registry
    address: str
    put: Put
    refusing: Callable[[], Registry]
    silent: Callable[[], Registry]


def fake_case() -> Case:
    registry = FakeRegistry()

    def changed(**changes: bool) -> FakeRegistry:
        made = FakeRegistry()
        made.__dict__.update(changes)
        return made

    return Case(
        registry,
        registry.address,
        registry.put,
        lambda: changed(refuses=True),
        lambda: changed(answers=False),
    )


def real_case(lab: LabRegistry) -> Case:
    def put(repository: str, tag: str, content: str) -> str:
        with httpx.Client(base_url=f"{lab.url}/v2/", auth=(lab.username, lab.password)) as client:
            blob = json.dumps({"content": content}).encode()
            digest = "sha256:" + hashlib.sha256(blob).hexdigest()
            place = client.post(f"{repository}/blobs/uploads/").headers["Location"]
            client.put(f"{place}&digest={digest}", content=blob).raise_for_status()
            config = {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "size": len(blob),
                "digest": digest,
            }
            manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}
            text = json.dumps(manifest).encode()
            path = f"{repository}/manifests/{tag}"
            client.put(path, content=text, headers={"Content-Type": MANIFEST}).raise_for_status()
            return "sha256:" + hashlib.sha256(text).hexdigest()

    return Case(
        HttpRegistry(lab.address, lab.username, lab.password, insecure=True),
        lab.address,
        put,
        lambda: HttpRegistry(lab.address, lab.username, "wrong-password", insecure=True),
        lambda: HttpRegistry("127.0.0.1:1", lab.username, lab.password, insecure=True),
    )


@pytest.fixture(params=["fake", "real"])
def case(request: pytest.FixtureRequest) -> Case:
    if request.param == "fake":
        return fake_case()
    lab: Lab = request.getfixturevalue("lab")
    return real_case(lab.registry)


@pytest.fixture
def repository() -> str:
    return f"tests/{uuid4().hex[:12]}/app"


def test_an_unknown_tag_has_no_digest(case: Case, repository: str) -> None:
    assert case.registry.digest(repository, "v1") is None
    case.put(repository, "v1", "one")
    assert case.registry.digest(repository, "v2") is None


def test_a_tag_has_its_digest(case: Case, repository: str) -> None:
    digest = case.put(repository, "v1", "one")
    assert case.registry.digest(repository, "v1") == digest
    assert case.registry.digest(f"{case.address}/{repository}", "v1") == digest
    assert case.registry.digest(repository, digest) == digest


def test_a_digest_gets_another_tag(case: Case, repository: str) -> None:
    digest = case.put(repository, "v1", "one")
    other = case.put(repository, "latest", "other")
    assert other != digest
    for _ in range(2):
        case.registry.tag(repository, digest, "latest")
        assert case.registry.digest(repository, "latest") == digest
    assert case.registry.digest(repository, "v1") == digest


def test_a_digest_that_is_not_there_gets_no_tag(case: Case, repository: str) -> None:
    case.put(repository, "v1", "one")
    with pytest.raises(TerminalError, match="push the image again"):
        case.registry.tag(repository, DIGEST, "v2")
    assert case.registry.digest(repository, "v2") is None


def test_a_good_login_passes(case: Case) -> None:
    case.registry.check_login()


def test_a_refused_login_is_final(case: Case, repository: str) -> None:
    registry = case.refusing()
    with pytest.raises(TerminalError, match="refused"):
        registry.check_login()
    with pytest.raises(TerminalError, match="refused"):
        registry.digest(repository, "v1")


def test_a_silent_registry_may_be_tried_again(case: Case, repository: str) -> None:
    registry = case.silent()
    with pytest.raises(TransientError, match="does not answer"):
        registry.check_login()
    with pytest.raises(TransientError, match="does not answer"):
        registry.digest(repository, "v1")


@pytest.mark.parametrize("name", ["", "/", "UPPER/case", "-dash"])
def test_what_cannot_name_a_repository_is_refused(case: Case, name: str) -> None:
    with pytest.raises(TerminalError, match="cannot be the name of a repository"):
        case.registry.digest(name, "v1")


# -- over HTTP ------------------------------------------------------------------------------------------------------


def registry_at(web: Web, user: str = "user", password: str = PASSWORD) -> HttpRegistry:
    return HttpRegistry(web.address, user, password, insecure=True)


@pytest.mark.parametrize(
    "name", ["a//b", "a/../b", "a b", "a?x=1", "a#x", "a:b", "..", "a/", "a@b", "%2e%2e"]
)
def test_a_name_never_reaches_another_path(name: str) -> None:
    with serve(in_turn(Reply(200))) as web:
        with pytest.raises(TerminalError, match="cannot be the name of a repository"):
            registry_at(web).digest(name, "v1")
        assert web.asked == []


@pytest.mark.parametrize("tag", ["", ".x", "a/b", "a b", "x" * 129, "../x", "sha256:short"])
def test_what_cannot_be_a_tag_is_refused(tag: str) -> None:
    with serve(in_turn(Reply(200))) as web:
        with pytest.raises(TerminalError, match="cannot be a tag"):
            registry_at(web).digest("app", tag)
        assert web.asked == []


def test_every_kind_of_manifest_is_asked_for() -> None:
    with serve(in_turn(Reply(200, headers={"Docker-Content-Digest": DIGEST}))) as web:
        assert registry_at(web).digest("app", "v1") == DIGEST
    (asked,) = web.asked
    assert (asked.method, asked.path) == ("HEAD", "/v2/app/manifests/v1")
    for kind in (
        "oci.image.index.v1",
        "oci.image.manifest.v1",
        "manifest.list.v2",
        "distribution.manifest.v2",
    ):
        assert kind in asked.headers["Accept"]


def test_a_digest_the_registry_does_not_tell_is_computed() -> None:
    manifest = b'{"schemaVersion": 2}'
    with serve(lambda asked: Reply(200, manifest if asked.method == "GET" else b"")) as web:
        assert registry_at(web).digest("app", "v1") == "sha256:" + hashlib.sha256(manifest).hexdigest()


def tokens(asked: Asked) -> Reply:
    """Answer as a registry that wants tokens, and the server that gives them, would."""
    if asked.path.startswith("/token"):
        login = base64.b64decode(asked.headers.get("Authorization", "Basic Og==").split()[1]).decode()
        if login not in {"user:pass word", ":"}:
            return Reply(401, b'{"errors": [{"code": "UNAUTHORIZED", "message": "wrong"}]}')
        query = parse_qs(urlsplit(asked.path).query)
        return Reply(200, json.dumps({"token": "for " + query.get("scope", ["nothing"])[0]}).encode())
    scope = "nothing" if asked.path == "/v2/" else "repository:app:pull"
    if asked.headers.get("Authorization") == f"Bearer for {scope}":
        return Reply(200, headers={"Docker-Content-Digest": DIGEST})
    realm = f'Bearer realm="http://{asked.headers["Host"]}/token",service="reg"'
    return Reply(401, headers={"WWW-Authenticate": realm})


def test_a_registry_that_wants_tokens_gets_them() -> None:
    with serve(tokens) as web:
        registry = registry_at(web)
        registry.check_login()
        assert registry.digest("app", "v1") == DIGEST
        before = len(web.asked)
        assert registry.digest("app", "v2") == DIGEST
        assert len(web.asked) == before + 1
        assert "service=reg" in web.asked[1].path


def test_a_token_server_that_refuses_is_final() -> None:
    with serve(tokens) as web, pytest.raises(TerminalError, match="refused the login user"):
        registry_at(web, password="wrong").check_login()


def test_a_login_is_never_sent_over_an_unencrypted_line() -> None:
    with serve(tokens) as web:
        registry = HttpRegistry(web.address, "user", "pass word")
        challenge = {"realm": f"{web.url}/token"}
        with pytest.raises(TerminalError, match="not encrypted"):
            registry._token(challenge, "")
        assert web.asked == []


def basic(asked: Asked) -> Reply:
    given = asked.headers.get("Authorization") == "Basic " + base64.b64encode(b"user:pass word").decode()
    return Reply(200) if given else Reply(401, headers={"WWW-Authenticate": 'Basic realm="r"'})


def test_a_password_is_sent_only_when_asked_for() -> None:
    with serve(basic) as web:
        registry = registry_at(web)
        registry.check_login()
        registry.check_login()
        assert ["Authorization" in asked.headers for asked in web.asked] == [False, True, True]


def test_a_wrong_password_is_not_tried_again_and_again() -> None:
    with serve(basic) as web:
        with pytest.raises(TerminalError, match="refused the login user"):
            registry_at(web, password="wrong").check_login()
        assert len(web.asked) == 2


def test_a_missing_login_is_told_as_such() -> None:
    with serve(basic) as web, pytest.raises(TerminalError, match="a request without a login"):
        registry_at(web, "", "").check_login()


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_busy_registry_may_be_tried_again(status: int) -> None:
    busy = Reply(status, b'{"errors": [{"code": "TOOMANY", "message": "slow down"}]}', {"Retry-After": "9"})
    with (
        serve(in_turn(busy)) as web,
        pytest.raises(TransientError, match=rf"status {status}.*try again in 9 s"),
    ):
        registry_at(web).check_login()


@pytest.mark.parametrize("status", [400, 403, 405])
def test_a_refusal_is_final_and_told(status: int) -> None:
    refusal = Reply(status, b'{"errors": [{"code": "DENIED", "message": "not\\nyours"}]}')
    with serve(in_turn(refusal)) as web, pytest.raises(TerminalError, match="DENIED not yours"):
        registry_at(web).check_login()


def test_what_is_no_registry_is_told() -> None:
    with (
        serve(in_turn(Reply(404, b"<html>"))) as web,
        pytest.raises(TerminalError, match="as a container registry"),
    ):
        registry_at(web).check_login()


def test_a_registry_without_tls_is_told_how_to_mend() -> None:
    with serve(in_turn(Reply(200))) as web, pytest.raises(TransientError, match="insecure"):
        HttpRegistry(web.address).check_login()


def test_a_tag_that_is_right_is_not_written_again() -> None:
    with serve(in_turn(Reply(200, headers={"Docker-Content-Digest": DIGEST}))) as web:
        registry_at(web).tag("app", DIGEST, "v1")
    assert [asked.method for asked in web.asked] == ["HEAD"]


@pytest.mark.parametrize("digest", ["", "v1", "sha256:xyz", "sha512:" + "a" * 64])
def test_only_a_digest_gets_a_tag(digest: str) -> None:
    with serve(in_turn(Reply(200))) as web, pytest.raises(TerminalError, match="is no digest"):
        registry_at(web).tag("app", digest, "v1")


def test_the_password_is_in_no_error() -> None:
    def repeating(asked: Asked) -> Reply:
        return Reply(403, b"you said s3cret-password " + asked.headers.get("Authorization", "").encode())

    with serve(repeating) as web, pytest.raises(TerminalError) as error:
        registry_at(web, password="s3cret-password").check_login()
    assert "s3cret-password" not in f"{error.value!r} {error.value.detail}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_tag_that_was_only_redirected_is_not_set(status: int) -> None:
    manifest = json.dumps({"mediaType": MANIFEST}).encode()
    there = Reply(200, manifest, {"Content-Type": MANIFEST})

    def reply(asked: Asked) -> Reply:
        if asked.method == "PUT":
            return Reply(status, headers={"Location": "/v2/shop/manifests/v1"})
        return there if DIGEST in asked.path else Reply(404 if "v1" in asked.path else 200)

    with serve(reply) as web, pytest.raises(TerminalError, match=f"redirected PUT .*status {status}"):
        HttpRegistry(web.address, insecure=True).tag(f"{web.address}/shop", DIGEST, "v1")
    assert [asked.method for asked in web.asked][-1] == "PUT"


@pytest.mark.timeout(20)
def test_an_answer_that_does_not_end_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit names registries of anybody: their images' digests are asked for."""
    monkeypatch.setattr("tasks.adapters.registry._WHOLE_SECONDS", 1)
    with endless() as address, pytest.raises(TerminalError, match="did not end its answer within 1 s"):
        HttpRegistry(address, insecure=True).digest("library/redis", "7")


@pytest.mark.parametrize("way", ["manifest", "login"])
def test_a_registry_leads_to_nothing_that_is_not_encrypted(way: str, tmp_path: Path) -> None:
    with serve(in_turn(Reply())) as here:
        to = {"Location": f"{here.url}/v2/shop/manifests/v1"}

        def reply(asked: Asked) -> Reply:
            if way == "manifest" or not asked.path.startswith("/v2/"):
                return Reply(307, headers=to)
            return Reply(401, headers={"WWW-Authenticate": f'Bearer realm="https://{there.address}/token"'})

        with (
            serve(reply, tls=_self_signed(tmp_path)) as there,
            pytest.raises(TerminalError, match="encryption"),
        ):
            HttpRegistry(there.address, verify_tls=False).digest("shop", "v1")
    assert here.asked == []


def _self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "registry")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    text = made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    text += key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "both.pem").write_bytes(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context
