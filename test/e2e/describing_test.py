#!/usr/bin/env python3
"""Large messages are described beside the loop: whoever goes away meanwhile, and whatever ends meanwhile, leaves
nothing behind."""
import os
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import Service, Tap, message, wait_for  # noqa: E402

ADDRESS = "hello@example.test"
SIZE = 10_000_000
# What a message and its description may take, twice: a third finds no room if those before left theirs.
SERVICE = Service({"imap_memory_total": "64M", "smtp_memory_total": "64M", "message_size_max": "16M",
                   "auth_without_tls": "yes", "smtp_errors_max": "1000"})
PASSWORD = SERVICE.add_alias(ADDRESS)
TEXT = b"Subject: large\r\nContent-Type: text/html\r\n\r\n" + (b"&" * 76 + b"\r\n") * (SIZE // 78)


class Line:
    """A client by hand, which can leave in the middle."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.file = self.socket.makefile("rb")

    def ask(self, line, until):
        self.socket.sendall(line + b"\r\n")
        return self.read(until)

    def read(self, until):
        while True:
            line = self.file.readline()
            assert line, f"the end instead of {until}"
            if line.startswith(until):
                return line

    def leave(self):
        self.file.close()
        self.socket.close()


def append(wait):
    client = Line(SERVICE.imap_port)
    client.read(b"* OK")
    client.ask(f'a LOGIN {ADDRESS} "{PASSWORD}"'.encode(), b"a OK")
    client.ask(f"b APPEND Archive {{{len(TEXT)}}}".encode(), b"+")
    client.socket.sendall(TEXT + b"\r\n")
    if wait:
        client.read(b"b OK")
    client.leave()


def deliver(wait, text=TEXT):
    client = Line(SERVICE.smtp_port)
    client.read(b"220")
    client.ask(b"EHLO client.example.org", b"250 ")
    client.ask(b"MAIL FROM:<sender@example.org>", b"250")
    client.ask(f"RCPT TO:<{ADDRESS}>".encode(), b"250")
    client.ask(b"DATA", b"354")
    client.socket.sendall(text + b".\r\n")
    if wait:
        client.read(b"250")
    client.leave()


def count(folder):
    client = SERVICE.imap(ADDRESS, PASSWORD)
    found = int(client.select(folder)[1][0])
    client.logout()
    return found


def test_clients_that_leave_meanwhile():
    before = SERVICE.children()
    for _ in range(8):
        append(False)
    append(True)
    assert SERVICE.children() == before
    # Whether those before are there nobody was told; the last one is.
    assert count("Archive") >= 1


def test_senders_that_leave_meanwhile():
    before = SERVICE.children()
    for _ in range(4):
        deliver(False)
    deliver(True)
    # What was handed over is not called back; a sender that comes again with the same is the same.
    wait_for(lambda: count("INBOX") >= 1, "the large message")
    assert SERVICE.children() == before
    deliver(True, message(1, "Small"))


def test_a_service_that_stops_meanwhile():
    for work in (append, deliver):
        work(False)
        assert SERVICE.stop() == 0
        assert "AddressSanitizer" not in SERVICE.log_text()
        SERVICE.start()
    append(True)
    deliver(True, message(2, "Small"))


def test_a_front_that_is_killed_meanwhile():
    for role, work in (("imap", append), ("smtp", deliver)):
        before = SERVICE.children()
        work(False)
        os.kill(before[role], signal.SIGKILL)
        wait_for(lambda: SERVICE.children().get(role, before[role]) != before[role], role)
    wait_for(lambda: SERVICE.imap(ADDRESS, PASSWORD).logout()[0] == "BYE", "a login")
    deliver(True, message(3, "Small"))


if __name__ == "__main__":
    try:
        Tap(globals()).main()
    finally:
        SERVICE.stop()
