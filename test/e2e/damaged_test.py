#!/usr/bin/env python3
"""Mailbox files that do not open: every answer comes at once and says what it is."""
import imaplib
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import Service, Tap, message  # noqa: E402

ADDRESS = "hello@example.test"
AT_ONCE = 15  # seconds: half of what a front waits for a store that does not answer


def mailbox_file(service):
    [path] = [path for path in service.files() if "/mailboxes/" in path and path.endswith(".sqlite")]
    return path


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
        with open(path, "r+b") as file:
            file.seek(50)
            byte = file.read(1)[0]
            file.seek(50)
            file.write(bytes([byte ^ 1]))
        service.start()
        login_refused(service, password, "CORRUPTION")
        refused_by_command_line(service, password, "the first page of the mailbox file is damaged")
        with open(path, "r+b") as file:
            file.seek(50)
            file.write(bytes([byte]))
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


Tap(globals()).main()
