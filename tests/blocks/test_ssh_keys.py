"""Keys are read however a form mangled them, and never repeated in a message."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import PrivateFormat

from blocks.ssh_keys import mend_private_key, parse_host_keys, read_private_key
from tests.blocks.keys import KEYS, private, public


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("join", ["\n", "", " ", "\r\n", "\\n"])
def test_a_key_gets_its_lines_back(kind: str, join: str) -> None:
    original = private(kind)
    mended = mend_private_key("  " + join.join(original.splitlines()))
    assert max(map(len, mended.splitlines()[1:-1])) == 64
    assert f"{kind} {read_private_key(mended).get_base64()}" == public(kind)


def test_an_old_pem_key_is_read() -> None:
    key = read_private_key(mend_private_key(private("ssh-rsa", form=PrivateFormat.TraditionalOpenSSL)))
    assert key.get_name() == "ssh-rsa"


def test_an_encrypted_old_pem_key_that_lost_its_lines_is_refused() -> None:
    text = private("ssh-rsa", "secret", PrivateFormat.TraditionalOpenSSL)
    assert read_private_key(mend_private_key(text), "secret").get_name() == "ssh-rsa"
    with pytest.raises(ValueError, match="lost its line breaks — convert it"):
        mend_private_key(text.replace("\n", " "))


def test_a_passphrase_opens_the_key() -> None:
    text = mend_private_key(private(passphrase="correct horse"))
    assert read_private_key(text, "correct horse").get_name() == "ssh-ed25519"
    with pytest.raises(ValueError, match="encrypted — give its passphrase"):
        read_private_key(text)
    with pytest.raises(ValueError, match="or its passphrase is wrong"):
        read_private_key(text, "wrong")


def test_a_pkcs8_key_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match="ssh-keygen -p -f KEYFILE"):
        read_private_key(mend_private_key(private(form=PrivateFormat.PKCS8)))


@pytest.mark.parametrize(
    "text",
    ["", "x", public(), "-----BEGIN OPENSSH PRIVATE KEY-----\nabc"],
    ids=["nothing", "a letter", "a public key", "the beginning of one"],
)
def test_what_is_no_private_key(text: str) -> None:
    with pytest.raises(ValueError, match="expected a private key"):
        mend_private_key(text)


def test_host_keys_come_as_people_have_them() -> None:
    one, two = public("ssh-ed25519"), public("ecdsa-sha2-nistp256")
    assert parse_host_keys(f"{one} root@server\n\n# comment\nserver,10.0.0.1 {two}\n{one}") == (one, two)
    assert parse_host_keys(f"[server]:2222 {one}") == (one,)
    assert parse_host_keys(f"{one} {two}") == (one, two)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a host key"),
        ("# only a comment", "expected a host key"),
        ("ssh-ed25519", "expected a host key"),
        ("ssh-dss AAAA", "expected a host key"),
        (public()[:-8], "cut off or mistyped"),
        (public().replace("AAAA", "BBBB", 1), "cut off or mistyped"),
        (public("ssh-rsa").replace("ssh-rsa", "ssh-ed25519"), "cut off or mistyped"),
        (f"{public()}\nnonsense", "expected a host key"),
    ],
    # The keys are made anew each time.
    ids=["nothing", "a comment", "a kind", "another kind", "cut off", "mistyped", "of another kind", "more"],
)
def test_what_is_no_host_key(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_host_keys(text)


def test_a_private_key_in_the_wrong_field_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="expected a host key") as caught:
        parse_host_keys(private().replace("\n", ""))
    assert "BEGIN" not in str(caught.value)
