"""Branches and files of the fake GitHub, by the references and the contents API."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from tests.fakes.github import shown
from tests.fakes.github.pulls import Branch, login_of, push_branch
from tests.fakes.github.server import Refusal, body_of
from tests.fakes.github.shapes import JSON

if TYPE_CHECKING:
    from tests.fakes.github.server import FakeGitHub

_REPO = "/repos/{owner}/{name}"
_HEADS = "refs/heads/"


def blob_of(text: str) -> str:
    """Return git's id of a file's content."""
    raw = text.encode()
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()


def add_routes(app: FastAPI, github: FakeGitHub) -> None:
    """Add what preparing a changelog asks for."""

    def there(branch: str) -> Branch | None:
        return github.pull_state.branches.get(branch)

    def reference(branch: str, sha: str) -> JSON:
        url = f"{github.base}/repos/{github.repository}/git"
        return {
            "ref": f"{_HEADS}{branch}",
            "node_id": f"REF_{branch}",
            "url": f"{url}/{_HEADS}{branch}",
            "object": {"type": "commit", "sha": sha, "url": f"{url}/commits/{sha}"},
        }

    @app.get(f"{_REPO}/git/ref/heads/{{branch:path}}")
    def head(request: Request, owner: str, name: str, branch: str) -> JSON:
        github.allow(request, owner, name, "contents")
        found = there(branch)
        if found is None:
            raise Refusal(404, "Not Found")
        return reference(branch, found.sha)

    @app.post(f"{_REPO}/git/refs")
    async def create(request: Request, owner: str, name: str) -> JSONResponse:
        github.allow(request, owner, name, "contents", write=True)
        body = await body_of(request)
        ref, sha = str(body.get("ref", "")), str(body.get("sha", ""))
        if not ref.startswith(_HEADS) or ref == _HEADS:
            raise Refusal(422, "Reference name is invalid")
        branch = ref.removeprefix(_HEADS)
        branches = github.pull_state.branches
        if branch in branches:
            raise Refusal(422, "Reference already exists")
        start = next((one for one, at in branches.items() if at.sha == sha), None)
        if start is None:
            raise Refusal(422, "Object does not exist")
        branches[branch] = Branch(sha)
        github.branches.setdefault(branch, None)
        github.shown.files[branch] = dict(github.shown.files.get(start, {}))
        return JSONResponse(reference(branch, sha), 201)

    @app.get(f"{_REPO}/contents/{{path:path}}")
    def read(request: Request, owner: str, name: str, path: str) -> JSONResponse:
        github.allow(request, owner, name, "contents")
        branch = request.query_params.get("ref", "main")
        if there(branch) is None:
            raise Refusal(404, f"No commit found for the ref {branch}")
        files = github.shown.files.get(branch, {})
        below = [one for one in files if one.startswith(f"{path}/")]
        if below:
            return JSONResponse([_content(one, files[one]) for one in below])
        if path not in files:
            raise Refusal(404, "Not Found")
        return JSONResponse(_content(path, files[path]))

    @app.put(f"{_REPO}/contents/{{path:path}}")
    async def write(request: Request, owner: str, name: str, path: str) -> JSONResponse:
        github.allow(request, owner, name, "contents", write=True)
        body = await body_of(request)
        if not body.get("message") or "content" not in body:
            raise Refusal(422, 'Invalid request.\n\n"message", "content" weren\'t supplied.')
        branch = str(body.get("branch", "main"))
        if there(branch) is None:
            raise Refusal(404, f"Branch {branch} not found")
        files = github.shown.files.setdefault(branch, {})
        if path in files and not body.get("sha"):
            raise Refusal(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
        if path in files and body["sha"] != blob_of(files[path]):
            raise Refusal(409, f"{path} does not match {body['sha']}")
        status = 200 if path in files else 201
        files[path] = base64.b64decode(body["content"]).decode()
        sha = hashlib.sha1(f"{branch}{github.next_number()}".encode(), usedforsecurity=False).hexdigest()
        push_branch(github, branch, sha, author=login_of(github, request), files={path: None})
        commit = {"sha": sha, "message": body["message"]}
        return JSONResponse({"content": _content(path, files[path]), "commit": commit}, status)

    def _content(path: str, text: str) -> JSON:
        raw = text.encode()
        # GitHub breaks the lines of what it encodes.
        encoded = base64.encodebytes(raw).decode()
        return shown.content_file(github.base, github.repository, path, blob_of(text), encoded, len(raw))
