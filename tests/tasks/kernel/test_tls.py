"""The trusted authorities are read once, and anew where the environment names others."""

from __future__ import annotations

from pathlib import Path

import certifi
import pytest

from tasks.kernel.tls import authorities


def test_clients_share_what_was_read_once() -> None:
    assert authorities() is authorities()


def test_other_files_are_read_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = authorities()
    own = tmp_path / "own.pem"
    own.write_bytes(Path(certifi.where()).read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(own))
    assert authorities() is not before
    assert authorities() is authorities()
