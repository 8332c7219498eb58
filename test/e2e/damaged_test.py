#!/usr/bin/env python3
"""Mailbox files that do not open: every answer comes at once and says what it is."""
import base64
import imaplib
import json
import os
import random
import re
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import Service, Tap, message, wait_for  # noqa: E402

ADDRESS = "hello@example.test"
AT_ONCE = 15  # seconds: half of what a front waits for a store that does not answer


def mailbox_file(service):
    [path] = [path for path in service.files() if "/mailboxes/" in path and path.endswith(".sqlite")]
    return path


def flip(path, at):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def copy_file(path, to):
    owner = os.stat(path)
    shutil.copy2(path, to)
    os.chown(to, owner.st_uid, owner.st_gid)


def login_refused(service, password, code):
    start = time.monotonic()
    client = service.imap()
    try:
        client.login(ADDRESS, password)
    except imaplib.IMAP4.error as error:
        assert f"[{code}]" in str(error), error
    else:
        raise AssertionError("logged in to a file that does not open")
    finally:
        client.shutdown()
    assert time.monotonic() - start < AT_ONCE


def refused_by_command_line(service, password, sentence):
    for command in (("mailbox", "verify", ADDRESS), ("password", "new", ADDRESS)):
        done = service.run(*command, stdin=password, check=False)
        assert done.returncode != 0 and sentence in done.stderr, (command, done)


def test_a_copy_from_before_the_last_change_of_the_password():
    with Service(start=False) as service:
        first = service.add_alias(ADDRESS)
        path = mailbox_file(service)
        shutil.copy2(path, path + ".copy")
        second = service.json("password", "new", ADDRESS, stdin=first)["password"]
        shutil.move(path, path + ".newer")
        shutil.move(path + ".copy", path)
        service.start()
        login_refused(service, second, "CORRUPTION")
        refused_by_command_line(service, second, "under another mailbox password than the present one")
        # Nothing has changed by that, and mail waits for the right file.
        service.send(ADDRESS, message())
        service.stop()
        shutil.move(path + ".newer", path)
        service.start()
        client = service.imap(ADDRESS, second)
        assert client.select()[1] == [b"1"]
        client.logout()


def test_a_damaged_first_page_and_a_file_that_cannot_be_read():
    with Service(start=False) as service:
        password = service.add_alias(ADDRESS)
        path = mailbox_file(service)
        flip(path, 50)
        service.start()
        login_refused(service, password, "CORRUPTION")
        refused_by_command_line(service, password, "the first page of the mailbox file is damaged")
        flip(path, 50)  # as it was
        # In the place of the file something that no user can read as one.
        os.rename(path, path + ".away")
        os.mkdir(path)
        login_refused(service, password, "UNAVAILABLE")
        os.rmdir(path)
        login_refused(service, password, "UNAVAILABLE")
        os.rename(path + ".away", path)
        if os.geteuid() == 0:
            owner = os.stat(path)
            os.chown(path, 0, 0)
            login_refused(service, password, "UNAVAILABLE")
            os.chown(path, owner.st_uid, owner.st_gid)
        service.imap(ADDRESS, password).logout()


def temporary_files(service, ending=""):
    return [path for path in service.files() if "/temporary/" in path and path.endswith(".sqlite" + ending)]


def missing_mail(service):
    done = service.run("status", "--json", check=False)
    return json.loads(done.stdout)["missing_mail"]


def notices(client):
    """What the messages of the store's own say about numbers."""
    client.select()
    found = []
    for number in client.search(None, "FROM", "noreply@postkasse.invalid")[1][0].split():
        text = client.fetch(number, "(BODY.PEEK[])")[1][0][1].decode()
        found.append(re.search(r"(?:missing, at least|could not be read): (\d+)", text).group(1))
    return found


def test_mail_that_waited_and_is_gone():
    with Service(start=False) as service:
        password = service.add_alias(ADDRESS)
        service.start()
        for number in range(3):
            service.send(ADDRESS, message(number))
        service.stop()  # the directory is told by then
        [path] = temporary_files(service)
        os.unlink(path)
        service.start()
        service.send(ADDRESS, message(3))  # it goes into another file
        client = service.imap(ADDRESS, password)
        assert client.select()[1] == [b"2"]
        assert notices(client) == ["3"]
        client.logout()
        wait_for(lambda: "event=store.waiting_missing" in service.log_text(), "that in the log")
        [row] = missing_mail(service)
        assert (row["address"], row["messages"], row["told"]) == (ADDRESS, 3, True), row
        assert "3 messages that waited are missing; the owner was told" in service.run("status", check=False).stdout


def test_mail_that_waits_is_lost_with_a_byte_of_the_wal():
    with Service(start=False) as service:
        password = service.add_alias(ADDRESS)
        service.start()
        for number in range(6):
            service.send(ADDRESS, message(number))
        [path] = temporary_files(service)
        for ending in ("", "-wal"):  # as a crash would leave them
            copy_file(path + ending, path + ".copy" + ending)
        service.stop()  # the directory is told by then
        for ending in ("", "-wal"):
            os.rename(path + ".copy" + ending, path + ending)
        flip(path + "-wal", os.path.getsize(path + "-wal") * 2 // 3)
        service.start()
        service.send(ADDRESS, message(6))  # more comes, and hides nothing
        [row] = wait_for(lambda: missing_mail(service), "the loss in the status")
        assert row["address"] == ADDRESS and row["messages"] > 0 and not row["told"], row
        wait_for(lambda: "event=store.waiting_missing" in service.log_text(), "that in the log")
        client = service.imap(ADDRESS, password)
        assert notices(client) == [str(row["messages"])]
        assert client.select()[1] == [b"%d" % (7 - row["messages"] + 1)]
        client.logout()
        assert len(temporary_files(service, ".salvaged-1")) == 1
        assert [row["told"] for row in missing_mail(service)] == [True]


def body(number, searched):
    """Nothing that compresses: its pages are nearly all of the file; when it is text to search, the last ones
    of each message are that."""
    noise = random.Random(number).randbytes(150_000)
    lines = base64.encodebytes(noise).replace(b"\n", b"\r\n")
    kind = b"" if searched else (b"Content-Type: application/octet-stream\r\n"
                                 b"Content-Transfer-Encoding: base64\r\n")
    return b"Subject: number %d\r\n" % number + kind + b"\r\n" + lines + b"needle\r\n" * searched


def damaged_in_the_middle(service, count, searched):
    """A client of INBOX with so many messages, one byte of whose pages is flipped."""
    password = service.add_alias(ADDRESS)
    client = service.imap(ADDRESS, password)
    for number in range(1, count + 1):
        assert client.append("INBOX", None, None, body(number, searched))[0] == "OK"
    client.logout()
    service.stop()
    path = mailbox_file(service)
    flip(path, os.path.getsize(path) // 2)
    service.start()
    client = service.imap(ADDRESS, password)
    assert client.select()[1] == [b"%d" % count]
    return client


def fetch_all(client, item):
    """The tagged answer, and {message number: its literal}."""
    tag = client._new_tag()
    client.send(tag + b" FETCH 1:* " + item + b"\r\n")
    found = {}
    while True:
        line = client.readline()
        if line.startswith(tag):
            return line[len(tag) + 1:], found
        literal = re.fullmatch(rb"\* (\d+) FETCH \(.*\{(\d+)\}\r\n", line)
        assert literal, line
        found[int(literal.group(1))] = client.read(int(literal.group(2)))
        client.readline()


def test_what_can_be_read_is_given_past_damage():
    count = 10
    with Service() as service:
        client = damaged_in_the_middle(service, count, False)
        for _ in range(2):  # it goes on: the connection, and the answers
            tagged, found = fetch_all(client, b"BODY.PEEK[]")
            assert tagged.startswith(b"NO [CORRUPTION]"), (tagged, sorted(found))
            assert len(found) == count - 1, sorted(found)
            for number, text in found.items():
                assert text == body(number, False), number
        [damaged] = set(range(1, count + 1)) - set(found)
        # All but its bytes is there, and it can be deleted.
        assert client.fetch(str(damaged), "(FLAGS RFC822.SIZE ENVELOPE)")[0] == "OK"
        assert client.store(str(damaged), "+FLAGS", "\\Deleted")[0] == "OK"
        assert client.expunge()[0] == "OK"
        tagged, found = fetch_all(client, b"BODY.PEEK[]")
        assert tagged.startswith(b"OK") and len(found) == count - 1, tagged
        client.logout()


def test_what_can_be_searched_is_found_past_damage():
    count = 10
    with Service() as service:
        client = damaged_in_the_middle(service, count, True)
        for _ in range(2):
            tag = client._new_tag()
            client.send(tag + b" SEARCH BODY needle\r\n")
            found = client.readline().split()
            assert found[:2] == [b"*", b"SEARCH"] and len(found) == 2 + count - 1, found
            tagged = client.readline()
            assert tagged.startswith(tag + b" NO [CORRUPTION]"), tagged
        client.logout()


Tap(globals()).main()
