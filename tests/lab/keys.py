"""SSH keys of the lab: one for the deploy user, one host key per server, all made before a server starts."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


def ensure_key(path: Path) -> str:
    """Makes an Ed25519 key pair unless it is there.

    Args:
        path: The private key's file; the public key lies beside it with the suffix `.pub`.

    Returns:
        The public key as one line, `ssh-ed25519 AAAA…`.
    """
    public_path = path.with_suffix(".pub")
    if not public_path.exists():
        key = Ed25519PrivateKey.generate()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        public_path.write_bytes(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b"\n")
    return public_path.read_text().strip()
