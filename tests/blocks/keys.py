"""SSH keys made for the tests."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

ED25519 = ed25519.Ed25519PrivateKey.generate()
KEYS: dict[str, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey] = {
    "ssh-ed25519": ED25519,
    "ecdsa-sha2-nistp256": ec.generate_private_key(ec.SECP256R1()),
    "ssh-rsa": rsa.generate_private_key(65537, 2048),
}


def private(
    kind: str = "ssh-ed25519", passphrase: str = "", form: PrivateFormat = PrivateFormat.OpenSSH
) -> str:
    encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return KEYS[kind].private_bytes(Encoding.PEM, form, encryption).decode()


def public(kind: str = "ssh-ed25519") -> str:
    return KEYS[kind].public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
