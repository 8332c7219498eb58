#!/usr/bin/env python3
"""The store dies in the middle of what a client reads or asks for: the client sees a pause."""
import hashlib
import os
import random
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import Service, Tap, message, wait_for  # noqa: E402

ADDRESS = "hello@example.test"
SERVICE = Service()
PASSWORD = SERVICE.add_alias(ADDRESS)
BIG = 12 * 1024 * 1024


def kill_store():
    before = SERVICE.children()["store"]
    os.kill(before, signal.SIGKILL)
    return before


def big_message(number):
    """12 MB that nothing compresses, in lines."""
    noise = random.Random(number).randbytes(BIG * 3 // 4 // 54 * 54).hex()
    lines = "\r\n".join(noise[at:at + 76] for at in range(0, len(noise), 76))
    return message(number, "Big", lines + "\r\n")


def read_slowly(client, count, kill_at):
    """Reads the literals of count FETCH responses, killing the store after kill_at bytes each."""
    found, total, killed = [], 0, 0
    for _ in range(count):
        line = client.file.readline()
        size = int(line[line.rindex(b"{") + 1:line.rindex(b"}")])
        digest, left = hashlib.sha256(), size
        while left > 0:
            piece = client.file.read(min(left, 64 * 1024))
            assert piece, f"the connection ended with {left} of {size} bytes missing"
            digest.update(piece)
            left -= len(piece)
            total += len(piece)
            if killed < len(kill_at) and total > kill_at[killed]:
                kill_store()
                killed += 1
        assert client.file.readline() == b")\r\n"
        found.append(digest.hexdigest())
    assert killed == len(kill_at), killed
    return found


def test_a_fetch_goes_on_where_it_stopped():
    sent = [big_message(number) for number in range(3)]
    with_small = [sent[0], message(10), sent[1], message(11), sent[2]]
    client = SERVICE.imap(ADDRESS, PASSWORD)
    for raw in with_small:
        assert client.append("Archive", "", None, raw)[0] == "OK"
    client.select("Archive", readonly=True)
    size = sum(len(raw) for raw in with_small)
    client.send(b"x FETCH 1:* BODY.PEEK[]\r\n")
    found = read_slowly(client, 5, [size * part // 10 for part in (1, 4, 8)])
    assert found == [hashlib.sha256(raw).hexdigest() for raw in with_small]
    assert client.file.readline().startswith(b"x OK")
    client.logout()


def test_commands_wait_for_the_store():
    client = SERVICE.imap(ADDRESS, PASSWORD)
    client.select("INBOX")
    for number in range(5):
        before = kill_store()
        assert client.append("INBOX", "", None, message(100 + number, "After a kill"))[0] == "OK"
        assert client.noop()[0] == "OK"
        status, data = client.uid("SEARCH", "SUBJECT", '"After a kill"')
        assert status == "OK" and len(data[0].split()) == number + 1, (number, data)
        assert client.store("1", "+FLAGS", r"(\Flagged)")[0] == "OK"
        wait_for(lambda: SERVICE.children().get("store", before) != before, "another store")
    client.logout()


def test_appends_under_kills_are_there_once():
    stop = threading.Event()

    def killer():
        # Not faster: a store that dies within a second of its start is restarted ever later.
        for _ in range(8):
            if stop.wait(1.3):
                return
            try:
                kill_store()
            except (KeyError, ProcessLookupError):
                pass
        stop.set()
    client = SERVICE.imap(ADDRESS, PASSWORD)
    client.create("Kills")
    thread = threading.Thread(target=killer)
    thread.start()
    acknowledged, number = [], 0
    try:
        while not stop.is_set():
            if client.append("Kills", "", None, message(number, "Under kills"))[0] == "OK":
                acknowledged.append(number)
            number += 1
    finally:
        stop.set()
        thread.join()
    client.select("Kills")
    status, data = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (Message-ID)])")
    assert status == "OK"
    there = [int(part[1].split(b"<")[1].split(b".")[0]) for part in data if isinstance(part, tuple)]
    assert len(there) == len(set(there)), "a message is there twice"
    assert set(acknowledged) <= set(there), "a message is lost"
    assert len(acknowledged) == number, (len(acknowledged), number)
    client.logout()


if __name__ == "__main__":
    try:
        Tap(globals()).main()
    finally:
        SERVICE.stop()
