"""A container registry over its HTTP API (OCI distribution specification, version 2)."""

from __future__ import annotations

import base64
import hashlib
import re
import time
import weakref
from contextlib import closing
from urllib.parse import urlsplit

import httpx

from tasks.kernel.errors import TerminalError, TransientError
from tasks.kernel.redact import process_redactor
from tasks.kernel.tls import authorities

# Every kind of manifest: a registry converts, or answers 404, where the kind it has is not among those asked for.
MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_REPOSITORY = re.compile(
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*\Z"
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_PARAMETER = re.compile(r'(?<!\w)(\w++)="([^"]*+)"')
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
# No registry takes a larger manifest.
_MOST_BYTES, _WHOLE_SECONDS = 4 * 1024 * 1024, 60
_OF_THE_LINE = frozenset({"content-encoding", "content-length", "transfer-encoding"})
# Where an image without a registry in its name comes from.
_HUB, _HUB_API = "docker.io", "registry-1.docker.io"
_ANY = "*"


class HttpRegistry:
    """A `Registry` over HTTP, with a password or the tokens that a password gets.

    Args:
        address: Host and port, without scheme and path.
        insecure: Speak plain HTTP: for a registry on a private network only.
    """

    def __init__(
        self,
        address: str,
        username: str = "",
        password: str = "",
        *,
        insecure: bool = False,
        verify_tls: bool = True,
    ) -> None:
        self.address = address
        self._insecure = insecure
        self._login = (username, password) if username else None
        if password:
            process_redactor().add(password)
        # Scope → what it is asked with. A registry says on the first request what it wants: a token for each scope, or
        # the password for all.
        self._authorizations: dict[str, str] = {}
        host = _HUB_API if address == _HUB else address
        scheme = "http" if insecure else "https"
        self._client = httpx.Client(
            base_url=f"{scheme}://{host}/v2/",
            timeout=_TIMEOUT,
            follow_redirects=True,
            verify=authorities() if verify_tls else False,
            event_hooks={"request": [] if insecure else [self._refuse_plain]},
        )
        # Nobody ends a registry: its connections go with the last reference to it.
        weakref.finalize(self, self._client.close)

    def _refuse_plain(self, request: httpx.Request) -> None:
        """Follow no redirect to plain HTTP: a registry that a commit names could lead to what listens here."""
        if request.url.scheme != "https":
            raise TerminalError(
                f"registry {self.address} redirects to {request.url.host[:80]!r} without encryption",
                "check the address in the registry's block",
            )

    def digest(self, repository: str, tag: str) -> str | None:
        """Return the manifest digest a tag has, or None where the tag is unknown."""
        path = self._path(repository)
        manifest, scope = f"{path}/manifests/{_tag(tag)}", f"repository:{path}:pull"
        answer = self._ask("HEAD", manifest, scope)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        said: str = answer.headers.get("Docker-Content-Digest", "")
        if _DIGEST.match(said):
            return said
        # It is the checksum of the manifest itself.
        return "sha256:" + hashlib.sha256(self._ask("GET", manifest, scope).content).hexdigest()

    def tag(self, repository: str, digest: str, tag: str) -> None:
        """Give a digest one more tag. Running it twice changes nothing."""
        path = self._path(repository)
        if not _DIGEST.match(digest):
            raise TerminalError(f"{digest[:80]!r} is no digest", "give `sha256:` and 64 hex digits")
        # Asked first: some registries refuse to write a tag again, be it with the same digest.
        if self.digest(repository, tag) == digest:
            return
        scope = f"repository:{path}:pull,push"
        manifest = self._ask("GET", f"{path}/manifests/{digest}", scope)
        if manifest.status_code == httpx.codes.NOT_FOUND:
            raise TerminalError(
                f"registry {self.address} has no {repository}@{digest}, which should get the tag {tag}",
                "push the image again",
            )
        kind = {"Content-Type": manifest.headers["Content-Type"]}
        self._ask("PUT", f"{path}/manifests/{tag}", scope, headers=kind, content=manifest.content)

    def check_login(self) -> None:
        """Check that the address answers and the login is accepted."""
        answer = self._ask("GET", "", "")
        if answer.status_code != httpx.codes.OK:
            raise TerminalError(
                f"{self.address} does not answer as a container registry: status {answer.status_code}",
                "check the address in the registry's block",
            )

    def _path(self, repository: str) -> str:
        """Return a repository's path within the registry; its name may begin with the address or not."""
        path = repository.removeprefix(f"{self.address}/")
        if not _REPOSITORY.match(path):
            raise TerminalError(
                f"{path[:120]!r} cannot be the name of a repository in {self.address}",
                "use lower-case letters and digits, with single dots, dashes or underscores in between",
            )
        return path

    def _ask(
        self,
        method: str,
        path: str,
        scope: str,
        *,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        def send() -> httpx.Response:
            wanted = {"Accept": MANIFESTS, **(headers or {}), **self._authorization(scope)}
            request = self._client.build_request(method, path, headers=wanted, content=content)
            # A change that was only redirected would be followed as a read, and count as made.
            return self._read(request, follow=content is None)

        answer = send()
        if answer.status_code == httpx.codes.UNAUTHORIZED and self._log_in(answer, scope):
            answer = send()
        self._judge(answer, method, path)
        return answer

    def _read(
        self,
        request: httpx.Request,
        *,
        follow: bool = True,
        auth: tuple[str, str] | None = None,
    ) -> httpx.Response:
        """Read an answer within a bound of bytes and time: a commit names registries of anybody."""
        deadline, read = time.monotonic() + _WHOLE_SECONDS, bytearray()
        try:
            answer = self._client.send(request, auth=auth, stream=True, follow_redirects=follow)
            with closing(answer):
                for piece in answer.iter_bytes():
                    read += piece
                    if len(read) > _MOST_BYTES or time.monotonic() > deadline:
                        raise TerminalError(
                            f"registry {self.address} did not end its answer within {_WHOLE_SECONDS} s and "
                            f"{_MOST_BYTES} bytes",
                            "check its address",
                        )
        except httpx.TransportError as error:
            raise self._no_answer(error) from error
        plain = [(name, value) for name, value in answer.headers.multi_items() if name not in _OF_THE_LINE]
        return httpx.Response(answer.status_code, headers=plain, content=bytes(read), request=answer.request)

    def _no_answer(self, error: httpx.TransportError) -> TransientError:
        text = process_redactor().text(str(error)) or type(error).__name__
        hint = "; for a registry without TLS set `insecure` in its block" if "SSL" in text else ""
        return TransientError(
            f"registry {self.address} does not answer: {text}", f"check its address and the network{hint}"
        )

    def _authorization(self, scope: str) -> dict[str, str]:
        known = self._authorizations.get(scope) or self._authorizations.get(_ANY)
        return {"Authorization": known} if known else {}

    def _log_in(self, answer: httpx.Response, scope: str) -> bool:
        """Do what the registry asks for; False where that was tried already."""
        challenge = answer.headers.get("WWW-Authenticate", "")
        kind, _, parameters = challenge.partition(" ")
        if kind.lower() == "bearer":
            self._authorizations[scope] = f"Bearer {self._token(dict(_PARAMETER.findall(parameters)), scope)}"
            return True
        # Another thread may have learnt it meanwhile: what counts is whether this request carried the login.
        if kind.lower() == "basic" and self._login and "Authorization" not in answer.request.headers:
            pair = base64.b64encode(":".join(self._login).encode()).decode()
            self._authorizations[_ANY] = f"Basic {pair}"
            return True
        return False

    def _token(self, challenge: dict[str, str], scope: str) -> str:
        realm = challenge.get("realm", "")
        if urlsplit(realm).scheme not in ({"http", "https"} if self._insecure else {"https"}):
            raise TerminalError(
                f"registry {self.address} sends logins to {realm[:80]!r}, which is not encrypted",
                "check the address in the registry's block",
            )
        query = {"service": challenge.get("service", ""), "scope": scope or challenge.get("scope", "")}
        wanted = self._client.build_request("GET", realm, params={k: v for k, v in query.items() if v})
        answer = self._read(wanted, auth=self._login)
        self._judge(answer, "GET", "the login")
        told = answer.json()
        token: str = told.get("token") or told.get("access_token") or ""
        process_redactor().add(token)
        return token

    def _judge(self, answer: httpx.Response, method: str, path: str) -> None:
        """Raise what a status means; what the caller asked about (404 of a manifest) passes."""
        status = answer.status_code
        if answer.is_success or (status == httpx.codes.NOT_FOUND and method != "PUT"):
            return
        if status < httpx.codes.BAD_REQUEST:
            raise TerminalError(
                f"registry {self.address} redirected {method} {path} (status {status}); it was not followed",
                "set the registry's own address in its block",
            )
        said = _said(answer)
        if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            who = f"the login {self._login[0]}" if self._login else "a request without a login"
            raise TerminalError(
                f"registry {self.address} refused {who} for {method} {path or 'a check'}: {said}",
                "check user, password and their rights in the registry's block",
            )
        if status in {httpx.codes.TOO_MANY_REQUESTS, httpx.codes.REQUEST_TIMEOUT} or status >= 500:  # noqa: PLR2004
            wait = answer.headers.get("Retry-After", "")
            raise TransientError(
                f"registry {self.address} answered {method} {path} with status {status}: {said}",
                f"try again in {wait} s" if wait.isdigit() else "try again",
            )
        raise TerminalError(
            f"registry {self.address} refused {method} {path} with status {status}: {said}",
            "check the repository's name and the registry's rules for it",
        )


def _tag(tag: str) -> str:
    if not (_TAG.match(tag) or _DIGEST.match(tag)):
        raise TerminalError(
            f"{tag[:120]!r} cannot be a tag", "use up to 128 letters, digits, dots, dashes, underscores"
        )
    return tag


def _said(answer: httpx.Response) -> str:
    """Return the registry's own words, on one line."""
    try:
        errors = answer.json()["errors"]
        text = "; ".join(f"{error.get('code', '')} {error.get('message', '')}".strip() for error in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        text = answer.text[:200]
    return process_redactor().text(" ".join(text.split())) or answer.reason_phrase
