#!/usr/bin/env python3
"""The whole way with Python's imaplib: SMTP in, sealed or direct, and everything IMAP can do."""
import hashlib
import os
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import Service, Tap, message, wait_for  # noqa: E402

ADDRESS = "hello@example.test"
SERVICE = Service({"mailbox_linger": "0s"})
PASSWORD = SERVICE.add_alias(ADDRESS)


def ok(reply):
    status, data = reply
    assert status == "OK", reply
    return data


def fetch_body(client, number, what="BODY.PEEK[]"):
    data = ok(client.fetch(str(number), f"({what})"))
    return data[0][1]


def strip_trace(raw):
    """What was sent, without the Return-Path and Received fields that the server put in front."""
    assert raw.startswith(b"Return-Path: <"), raw[:200]
    at = raw.index(b"\r\nFrom: ") + 2
    assert b"\r\nReceived: from " in raw[:at], raw[:at]
    return raw[at:]


def test_a_message_for_an_absent_owner_is_sealed_and_then_read():
    SERVICE.wait_forgotten()
    sent = message(1, "Sealed", "Text of the sealed message.\r\n")
    SERVICE.send(ADDRESS, sent)
    waiting = [path for path in SERVICE.files() if "/temporary/" in path and path.endswith(".sqlite")]
    assert len(waiting) == 1, waiting
    client = SERVICE.imap(ADDRESS, PASSWORD)
    assert ok(client.select("INBOX")) == [b"1"]
    assert strip_trace(fetch_body(client, 1)) == sent
    wait_for(lambda: not any("/temporary/" in path and path.endswith(".sqlite")
                             for path in SERVICE.files()), "the empty temporary mailbox to go")
    client.logout()


def test_a_message_for_a_present_owner_arrives_at_once():
    client = SERVICE.imap(ADDRESS, PASSWORD)
    before = int(ok(client.select("INBOX"))[0])
    client.send(b"I1 IDLE\r\n")
    assert client.readline().startswith(b"+")
    sent = message(2, "Direct")
    SERVICE.send(ADDRESS, sent)
    lines = []
    while not any(line == b"* %d EXISTS\r\n" % (before + 1) for line in lines):
        lines.append(client.readline())
    client.send(b"DONE\r\n")
    while not client.readline().startswith(b"I1 OK"):
        pass
    assert strip_trace(fetch_body(client, before + 1)) == sent
    client.logout()


def test_append_is_bit_exact():
    client = SERVICE.imap(ADDRESS, PASSWORD)
    ok(client.create("Exact"))
    samples = [
        b"",
        b"\r\n",
        b"no header at all",
        b"Subject: bare\nline\nfeeds\n\nbody\n",
        b"A: b\r\n\r\n" + bytes(b for b in range(1, 256)) * 40,
        b"X: " + b"y" * 1_000_000 + b"\r\n\r\n" + b"z" * 1_000_000,
        message(3, "Attached", headers=(
            "MIME-Version: 1.0", "Content-Type: application/octet-stream",
            "Content-Transfer-Encoding: base64"), body="QUJD" * 19 + "\r\n" + "QUI=\r\n"),
        (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
         + b"--b\r\nContent-Type: text/plain\r\n\r\npart\r\n" * 3000 + b"--b--\r\n"),
    ]
    for number, raw in enumerate(samples, 1):
        if raw == b"":
            continue
        ok(client.append("Exact", "", '"17-Jul-2026 02:44:25 -0700"', raw)) \
            if b"\n" not in raw.replace(b"\r\n", b"") else append_raw(client, "Exact", raw)
    client.select("Exact")
    data = ok(client.fetch("1:*", "(RFC822.SIZE BODY.PEEK[] BODYSTRUCTURE ENVELOPE INTERNALDATE)"))
    bodies = [item[1] for item in data if isinstance(item, tuple) and b"BODY[]" in item[0]]
    wanted = [raw for raw in samples if raw != b""]
    found = {hashlib.sha256(body).hexdigest() for body in bodies}
    for raw in wanted:
        assert hashlib.sha256(raw).hexdigest() in found, raw[:80]
    client.logout()


def append_raw(client, folder, raw):
    """imaplib turns line ends into CRLF; this does not."""
    tag = client._new_tag()
    client.send(tag + b" APPEND %s {%d}\r\n" % (folder.encode(), len(raw)))
    line = client.readline()
    assert line.startswith(b"+"), line
    client.send(raw + b"\r\n")
    while True:
        line = client.readline()
        if line.startswith(tag):
            assert b" OK " in line, line
            return


def test_flags_search_copy_move_expunge():
    client = SERVICE.imap(ADDRESS, PASSWORD)
    ok(client.create("Work"))
    ok(client.create("Other"))
    for number in range(1, 11):
        ok(client.append("Work", r"(\Seen)" if number % 2 else "", None,
                         message(100 + number, f"Number {number}", f"needle-{number} straw\r\n")))
    assert ok(client.select("Work")) == [b"10"]
    assert ok(client.search(None, "UNSEEN")) == [b"2 4 6 8 10"]
    assert ok(client.search(None, "BODY", '"NEEDLE-7 "')) == [b"7"]
    assert ok(client.search(None, "SUBJECT", '"number 1"')) == [b"1 10"]
    assert ok(client.search(None, "OR", "SUBJECT", '"number 2"', "NOT", "SEEN")) == [b"2 4 6 8 10"]
    assert ok(client.search(None, "HEADER", "Message-ID", '"105."')) == [b"5"]
    ok(client.store("1:3", "+FLAGS", r"(\Flagged project-x)"))
    assert ok(client.search(None, "KEYWORD", "project-x")) == [b"1 2 3"]
    assert ok(client.search(None, "FLAGGED", "SMALLER", "100000")) == [b"1 2 3"]
    ok(client.store("2", "FLAGS", r"(\Deleted)"))
    data = b" ".join(ok(client.fetch("1:3", "(FLAGS)")))
    assert b"\\Flagged" in data and b"project-x" in data
    ok(client.copy("1:2", "Other"))
    status, data = client._simple_command("MOVE", "9:10", "Other")
    assert status == "OK", data
    client.expunge()
    assert ok(client.search(None, "ALL")) == [b"1 2 3 4 5 6 7"]
    assert ok(client.select("Other")) == [b"4"]
    subjects = b"".join(part[1] for part in
                        ok(client.fetch("1:4", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))
                        if isinstance(part, tuple))
    assert re.findall(rb"Number (\d+)", subjects) == [b"1", b"2", b"9", b"10"], subjects
    client.logout()


def test_folders():
    client = SERVICE.imap(ADDRESS, PASSWORD)
    names = b"\n".join(ok(client.list()))
    for special in (b"\\Drafts", b"\\Sent", b"\\Archive", b"\\Junk", b"\\Trash"):
        assert special in names, names
    ok(client.create("A/B/C"))
    ok(client.rename("A", "Z"))
    names = b"\n".join(ok(client.list('""', "Z*")))
    assert b"Z/B/C" in names, names
    ok(client.subscribe("Z/B"))
    assert b"Z/B" in b"\n".join(ok(client.lsub()))
    ok(client.unsubscribe("Z/B"))
    assert client.create("INBOX")[0] == "NO"
    assert client.select("Nowhere")[0] == "NO"
    ok(client.delete("Z/B/C"))
    status = ok(client.status("INBOX", "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN RECENT)"))
    assert b"UIDVALIDITY" in status[0]
    ok(client.create("R&AOY-dgr&APg-d"))
    assert b"R&AOY-dgr&APg-d" in b"\n".join(ok(client.list('""', "R*")))
    client.logout()


def test_wrong_password_is_refused_and_tls_works():
    client = SERVICE.imap(tls=True)
    try:
        client.login(ADDRESS, "wrong-password")
        raise AssertionError("a wrong password was let in")
    except client.error as refused:
        assert b"AUTHENTICATIONFAILED" in refused.args[0], refused
    ok(client.login(ADDRESS, PASSWORD))
    ok(client.select("INBOX"))
    client.logout()
    client = SERVICE.imap()
    context = SERVICE.tls()
    context.check_hostname = False
    ok(client.starttls(context))
    ok(client.login(ADDRESS, PASSWORD))
    client.logout()


def test_two_clients_see_each_others_changes():
    one, two = SERVICE.imap(ADDRESS, PASSWORD), SERVICE.imap(ADDRESS, PASSWORD)
    ok(one.create("Shared"))
    ok(one.select("Shared"))
    ok(two.select("Shared"))
    ok(two.append("Shared", "", None, message(500, "Seen by both")))
    wait_for(lambda: one.noop() and (one.response("EXISTS")[1] or [0])[-1] == b"1", "EXISTS at the other")
    ok(one.store("1", "+FLAGS", r"(\Flagged)"))

    def flagged():
        two.noop()
        data = two.response("FETCH")[1]
        return any(line and b"\\Flagged" in line for line in data)
    wait_for(flagged, "the flag at the other")
    ok(one.store("1", "+FLAGS", r"(\Deleted)"))
    one.expunge()
    wait_for(lambda: two.noop() and (two.response("EXPUNGE")[1] or [0])[-1] == b"1", "EXPUNGE at the other")
    one.logout()
    two.logout()


def test_an_idle_client_is_told_within_milliseconds():
    """Not a benchmark: only that nothing on the way waits for a timer."""
    client = SERVICE.imap(ADDRESS, PASSWORD)
    client.select("INBOX")
    client.send(b"I1 IDLE\r\n")
    client.readline()
    best = 10.0
    for number in range(5):
        sender = threading.Thread(target=SERVICE.send,
                                  args=(ADDRESS, message(600 + number, "Quick")))
        start = time.monotonic()
        sender.start()
        while b"EXISTS" not in client.readline():
            pass
        best = min(best, time.monotonic() - start)
        sender.join()
    client.send(b"DONE\r\n")
    assert best < 5.0, best
    print(f"# best of 5: {best * 1000:.1f} ms from connecting to EXISTS")
    client.shutdown()


if __name__ == "__main__":
    try:
        Tap(globals()).main()
    finally:
        SERVICE.stop()
