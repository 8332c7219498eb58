#!/usr/bin/env python3
"""Logins that fail, and that end. What takes a login away ends the sessions that it began: at once, and also when the front could not be
told at that moment."""
import os
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import Service, Tap, wait_for, WAIT  # noqa: E402

ADDRESS = "hello@example.test"
OTHER = "other@example.test"
AT_ONCE = 1.0  # seconds, what is promised


class Idler:
    """A client that waits in IDLE."""

    def __init__(self, service, address, password):
        self.socket = socket.create_connection(("127.0.0.1", service.imap_port), timeout=WAIT)
        self.file = self.socket.makefile("rb")
        self.socket.sendall(f"a LOGIN {address} {password}\r\nb SELECT INBOX\r\nc IDLE\r\n".encode())
        self.read_to(b"+ ")

    def read_to(self, start):
        while True:
            line = self.file.readline()
            assert line, f"the end before {start!r}"
            if line.startswith(start):
                return line

    def ended(self):
        """BYE that names the reason, then nothing more; returns when it came."""
        line = self.read_to(b"* BYE ")
        when = time.monotonic()
        assert line.startswith(b"* BYE [EXPIRED] "), line
        assert self.file.readline() == b""
        self.close()
        return when

    def close(self):
        self.file.close()
        self.socket.close()

    def lives(self):
        self.socket.sendall(b"DONE\r\nd NOOP\r\ne IDLE\r\n")
        assert b"OK" in self.read_to(b"d ")
        self.read_to(b"+ ")


def app_password(service, password, label):
    made = service.json("password", "app", ADDRESS, "--label", label, stdin=password + "\n")
    return made["password"], str(made["slot"])


def test_ends_at_once():
    with Service({"mailbox_linger": "0"}) as service:
        password = service.add_alias(ADDRESS)
        phone, phone_slot = app_password(service, password, "phone")
        laptop, _ = app_password(service, password, "laptop")
        on_phone, on_laptop = Idler(service, ADDRESS, phone), Idler(service, ADDRESS, laptop)
        at_home = Idler(service, ADDRESS, password)
        service.run("password", "revoke", ADDRESS, phone_slot)
        revoked = time.monotonic()
        assert on_phone.ended() - revoked < AT_ONCE
        on_laptop.lives()
        at_home.lives()
        # A new mailbox password ends what logged in with the old one, and nothing else.
        second = service.json("password", "new", ADDRESS, stdin=password + "\n")["password"]
        confirmed = time.monotonic()
        assert at_home.ended() - confirmed < AT_ONCE
        on_laptop.lives()
        at_home = Idler(service, ADDRESS, second)
        # The address goes, and with it all of its sessions; others stay.
        other = Idler(service, OTHER, service.add_alias(OTHER))
        service.run("alias", "remove", ADDRESS, "--yes")
        removed = time.monotonic()
        assert on_laptop.ended() - removed < AT_ONCE and at_home.ended() - removed < AT_ONCE
        other.lives()
        other.close()
        service.wait_forgotten()  # the store has no session of them any more


def test_found_when_the_directory_is_back():
    """Revoked while the front has no link to the directory: it asks when it has one again."""
    with Service() as service:
        password = service.add_alias(ADDRESS)
        phone, phone_slot = app_password(service, password, "phone")
        laptop, _ = app_password(service, password, "laptop")
        on_phone, on_laptop = Idler(service, ADDRESS, phone), Idler(service, ADDRESS, laptop)
        front = service.children()["imap"]
        os.kill(front, signal.SIGSTOP)  # it cannot connect anew before it goes on
        try:
            before = service.children()["directory"]
            os.kill(before, signal.SIGKILL)
            wait_for(lambda: service.children().get("directory") not in (None, before), "a directory")
            service.run("password", "revoke", ADDRESS, phone_slot)
        finally:
            os.kill(front, signal.SIGCONT)
        on_phone.ended()
        on_laptop.lives()
        # And a store that begins anew changes nothing about who may go on.
        os.kill(service.children()["store"], signal.SIGKILL)
        on_laptop.lives()


def test_a_failed_login_is_logged_with_what_an_operator_needs():
    with Service() as service:
        service.add_alias(ADDRESS)
        mailbox = service.json("password", "list", ADDRESS)["mailbox"]
        client = service.imap()
        for address in (ADDRESS, "nobody@example.test"):
            try:
                client.login(address, "wrong")
            except client.error as refused:
                assert mailbox not in str(refused), refused
            else:
                raise AssertionError("a wrong password logged in")
        client.shutdown()
        def failed():
            return [line for line in service.log_text().splitlines() if "imap.login_failed" in line]
        wait_for(lambda: len(failed()) >= 2, "both failures in the log")
        lines = failed()
        assert len(lines) == 2, lines
        assert mailbox in lines[0] and "127.0.0.1" in lines[0] and "network" in lines[0], lines
        assert mailbox not in lines[1], lines


if __name__ == "__main__":
    Tap(globals()).main()
