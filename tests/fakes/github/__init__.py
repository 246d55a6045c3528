"""A fake GitHub: a real HTTP server that answers as GitHub's published OpenAPI descriptions say."""

from tests.fakes.github.server import REPOSITORY, TOKEN, App, FakeGitHub, Fault, Move, serve_github

__all__ = ["REPOSITORY", "TOKEN", "App", "FakeGitHub", "Fault", "Move", "serve_github"]
