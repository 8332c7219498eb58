#!/usr/bin/env python3
"""SCRAM-SHA-256 and -PLUS over IMAP: the server opens a mailbox without ever seeing the password.

The client is written here from RFC 5802, RFC 7677 and RFC 5929, with Python's hashlib alone.
"""
import base64
import hashlib
import hmac
import os
import secrets
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import Service, Tap, message  # noqa: E402

ADDRESS = "hello@example.test"


def digest(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


class Scram:
    """The client's half; an instance is what imaplib's authenticate() wants."""

    def __init__(self, password, header="n,,", channel=b"", name=ADDRESS):
        self.password, self.header, self.channel = password.encode(), header, channel
        self.nonce = secrets.token_urlsafe(18)
        self.first_bare = f"n={name},r={self.nonce}"
        self.step = 0
        self.verified = False

    def __call__(self, challenge):
        self.step += 1
        return [self.first, self.final, self.verify][self.step - 1](bytes(challenge))

    def first(self, challenge):
        assert challenge == b""
        return (self.header + self.first_bare).encode()

    def final(self, challenge):
        given = dict(part.split("=", 1) for part in challenge.decode().split(","))
        assert given["r"].startswith(self.nonce) and len(given["r"]) > len(self.nonce) + 15
        assert int(given["i"]) >= 4096
        salted = hashlib.pbkdf2_hmac("sha256", self.password, base64.b64decode(given["s"]),
                                     int(given["i"]))
        binding = base64.b64encode(self.header.encode() + self.channel).decode()
        bare = f"c={binding},r={given['r']}"
        text = f"{self.first_bare},{challenge.decode()},{bare}".encode()
        client_key = digest(salted, b"Client Key")
        signature = digest(hashlib.sha256(client_key).digest(), text)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        self.expected = digest(digest(salted, b"Server Key"), text)
        return f"{bare},p={base64.b64encode(proof).decode()}".encode()

    def verify(self, challenge):
        assert challenge.startswith(b"v="), challenge
        self.verified = base64.b64decode(challenge[2:]) == self.expected
        return b"" if self.verified else None


def log_in(service, password, plus=False, spoil=False, header=None, name=ADDRESS):
    """The client, logged in; or the text of the refusal."""
    client = service.imap(tls=plus)
    channel = hashlib.sha256(client.sock.getpeercert(True)).digest() if plus else b""
    if spoil:
        channel = bytes(reversed(channel))
    scram = Scram(password, header or ("p=tls-server-end-point,," if plus else "n,,"), channel, name)
    try:
        client.authenticate("SCRAM-SHA-256-PLUS" if plus else "SCRAM-SHA-256", scram)
    except client.error as refused:
        return str(refused)
    assert scram.verified
    return client


def read(client):
    status, data = client.select("INBOX")
    assert status == "OK", data
    return int(data[0]), client.fetch("1", "(BODY.PEEK[])")[1][0][1] if int(data[0]) > 0 else b""


def test_a_sealed_message_is_read_without_the_password():
    with Service() as service:
        password = service.add_alias(ADDRESS)
        service.send(ADDRESS, message(1, "Sealed", "Read me.\r\n"))
        app = service.json("password", "app", ADDRESS, stdin=password + "\n")["password"]
        service.stop()
        service.start()  # nothing about any password is left in memory
        for secret in (app, password):
            for plus in (False, True):
                client = log_in(service, secret, plus)
                assert not isinstance(client, str), client
                count, text = read(client)
                assert count == 1 and b"Read me." in text
                client.logout()
        for secret in (password, app):
            assert secret not in service.log_text()


def test_refusals():
    with Service() as service:
        password = service.add_alias(ADDRESS)
        for arguments in ({"password": "wrong"}, {"password": password, "name": "nobody@example.test"},
                          {"password": password, "plus": True, "spoil": True},
                          {"password": password, "plus": True, "header": "n,,"}):
            refused = log_in(service, **arguments)
            assert isinstance(refused, str), arguments
        # Somebody took -PLUS out of the offer: the client says that it would have used it.
        client = service.imap(tls=True)
        try:
            client.authenticate("SCRAM-SHA-256", Scram(password, "y,,"))
        except client.error:
            pass
        else:
            raise AssertionError("a downgrade was not noticed")
        # Without TLS nothing of the kind was offered, and "y" is right.
        client = log_in(service, password, header="y,,")
        assert not isinstance(client, str), client
        client.logout()


def test_after_a_change_of_password():
    with Service() as service:
        first = service.add_alias(ADDRESS)
        service.send(ADDRESS, message(1, "Before", "Before.\r\n"))
        watching = log_in(service, first)
        assert read(watching)[0] == 1
        second = service.json("password", "new", ADDRESS, stdin=first + "\n")["password"]
        service.send(ADDRESS, message(2, "After", "After.\r\n"))
        client = log_in(service, second, plus=True)
        count, text = read(client)
        assert count == 2 and b"Before." in text
        assert isinstance(log_in(service, first), str)
        # Who was logged in with the old one is so no more.
        try:
            watching.noop()
        except watching.abort as over:
            assert "EXPIRED" in str(over), over
        else:
            raise AssertionError("a session outlived the password that it was opened with")
        client.logout()


if __name__ == "__main__":
    Tap(globals()).main()
