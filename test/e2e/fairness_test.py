#!/usr/bin/env python3
"""What one user, one address or one front does for itself costs the others nothing."""
import os
import select
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import Service, Tap, message, wait_for  # noqa: E402

ADDRESS = "hello@example.test"
MB = 1024 * 1024
SERVICE = Service({
    "smtp_memory_total": "16M",
    "imap_memory_total": "8M",
    "message_size_max": "4M",
    "imap_connections_max": "60",
})
PASSWORDS = {address: SERVICE.add_alias(address)
             for address in (ADDRESS, "second@example.test", "third@example.test",
                             "fourth@example.test")}
PASSWORD = PASSWORDS[ADDRESS]
ROUNDS = int(os.environ.get("TEST_ROUNDS", "300"))


def text_of(size):
    line = "All work and no play makes Jack a dull boy, and it fills a line.\r\n"
    return line * (size // len(line))


def test_credit_belongs_to_one_call():
    """A FETCH that has credit left over never grants it to the command's next question."""
    reader, writer = SERVICE.imap(ADDRESS, PASSWORD), SERVICE.imap(ADDRESS, PASSWORD)
    assert reader.append("Archive", "", None, message(1, "Large", text_of(2 * MB)))[0] == "OK"
    reader.select("Archive")
    writer.select("Archive")
    done = threading.Event()

    def flip():
        while not done.is_set():
            writer.store("1", "+FLAGS.SILENT", r"(\Flagged)")
            writer.store("1", "-FLAGS.SILENT", r"(\Flagged)")

    flipper = threading.Thread(target=flip)
    flipper.start()
    try:
        for _ in range(ROUNDS):
            assert reader.fetch("1", "(BODY.PEEK[])")[0] == "OK"
            assert "link.violation" not in SERVICE.log_text()
    finally:
        done.set()
        flipper.join()
    assert "link.lost" not in SERVICE.log_text()
    reader.logout()
    writer.logout()


def test_small_mail_comes_in_beside_large():
    """Senders of much without an end hold all the memory but what is kept for small messages."""
    holders = [SERVICE.smtp() for _ in range(8)]
    text = text_of(4 * MB - 65536).encode()
    sent = 0
    for client in holders:
        client.ehlo()
        client.mail("sender@example.org")
        client.rcpt(ADDRESS)
        assert client.docmd("DATA")[0] == 354
        client.sock.setblocking(False)
    left = {client: text for client in holders}

    def push():
        nonlocal sent
        before = sent
        for client in holders:
            try:
                taken = client.sock.send(left[client][:65536])
            except BlockingIOError:
                continue
            left[client] = left[client][taken:]
            sent += taken
        return sent == before and sent > 16 * MB

    wait_for(push, "the memory to be full")
    for number in range(20):
        SERVICE.send(ADDRESS, message(number, "Small", "Hello.\r\n"))
    for client in holders:
        client.close()


def readable(client, seconds):
    return select.select([client.sock], [], [], seconds)[0]


def begin_append(client, size):
    client.send(b"x APPEND INBOX {%d}\r\n" % size)


def finish_append(client, size):
    client.send(b"Subject: in turn\r\n\r\n".ljust(size, b".") + b"\r\n")
    assert client.readline().startswith(b"x OK")


def test_appends_have_memory_in_turn():
    """A message that waits for memory is not passed by others that would fit before it."""
    clients = [SERVICE.imap(address, password) for address, password in PASSWORDS.items()]
    first, second, third, fourth = clients
    begin_append(first, 3 * MB)
    assert first.readline() == b"+ OK\r\n"
    begin_append(second, 2 * MB)  # past the total, as one at a time may
    assert second.readline() == b"+ OK\r\n"
    begin_append(third, 3 * MB)
    begin_append(fourth, 300 * 1024)
    finish_append(first, 3 * MB)
    assert not readable(fourth, 0.3) and not readable(third, 0)
    finish_append(second, 2 * MB)
    for client, size in ((third, 3 * MB), (fourth, 300 * 1024)):
        assert client.readline() == b"+ OK\r\n"
        finish_append(client, size)
    for client in clients:
        client.logout()


def test_strangers_keep_nobody_out():
    """Connections that do not log in have a quarter of the places; the oldest makes room."""
    there = SERVICE.imap(ADDRESS, PASSWORD)
    strangers = [SERVICE.imap() for _ in range(70)]
    client = SERVICE.imap(ADDRESS, PASSWORD)
    assert client.noop()[0] == "OK" and there.noop()[0] == "OK"
    assert b"BYE [UNAVAILABLE]" in strangers[0].readline()
    assert strangers[-1].noop()[0] == "OK"
    for stranger in strangers:
        stranger.shutdown()
    client.logout()
    there.logout()


if __name__ == "__main__":
    try:
        Tap(globals()).main()
    finally:
        SERVICE.stop()
