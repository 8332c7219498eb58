#!/usr/bin/env python3
"""A mailbox file that comes back with less than was acknowledged is noticed when it is opened, and nobody is
served from it until the operator says so; what a crash may lawfully take is no alarm."""
import imaplib
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import Service, Tap, message, wait_for  # noqa: E402

ADDRESS = "hello@example.test"


def mailbox_file(service):
    [path] = [path for path in service.files() if "/mailboxes/" in path and path.endswith(".sqlite")]
    return path


def put_back(service, path, ending):
    """As an operator copies a file back, the service being stopped."""
    assert service.process is None and not os.path.exists(path + "-wal")
    shutil.copy2(path + ending, path)


def count(service, password):
    client = service.imap(ADDRESS, password)
    try:
        return int(client.select()[1][0])
    finally:
        client.logout()


def uid_validity(service, password):
    client = service.imap(ADDRESS, password)
    try:
        client.select()
        return int(client.response("UIDVALIDITY")[1][0])
    finally:
        client.logout()


def refused(service, password):
    client = service.imap()
    try:
        client.login(ADDRESS, password)
    except imaplib.IMAP4.error as error:
        assert "[CORRUPTION]" in str(error), error
        return
    finally:
        client.shutdown()
    raise AssertionError("served from a file that has less than was acknowledged")


def deliver(service, password, first, number):
    """While a session is live, so that they go into the mailbox file."""
    client = service.imap(ADDRESS, password)
    for i in range(number):
        service.send(ADDRESS, message(first + i))
    client.logout()


def test_an_old_copy_is_refused_until_it_is_accepted():
    with Service(start=False) as service:
        password = service.add_alias(ADDRESS)
        path = mailbox_file(service)
        service.start()
        deliver(service, password, 0, 3)
        before = uid_validity(service, password)
        service.stop()
        shutil.copy2(path, path + ".old")
        service.start()
        deliver(service, password, 3, 4)
        service.stop()
        shutil.copy2(path, path + ".new")
        put_back(service, path, ".old")
        service.start()
        refused(service, password)
        refused(service, password)
        wait_for(lambda: "event=store.rolled_back" in service.log_text(), "the rollback in the log")
        done = service.run("mailbox", "verify", ADDRESS, stdin=password, check=False)
        assert done.returncode != 0 and "less than was acknowledged" in done.stderr, done
        service.send(ADDRESS, message(7))  # waits, sealed
        service.stop()
        # The right file is there again: everything is as before, with what has waited.
        put_back(service, path, ".new")
        service.start()
        assert count(service, password) == 8
        assert uid_validity(service, password) == before
        # Nothing is missing: nothing is accepted, with a password neither, and no UIDVALIDITY is lost for it.
        for current in ((), ("--current-file", "-")):
            done = service.run("mailbox", "accept", ADDRESS, "--yes", *current, stdin=password + "\n",
                               check=False)
            assert done.returncode == 67 and "nothing to accept" in done.stderr, done
        done = service.run("mailbox", "accept", ADDRESS, "--yes", "--current-file", "-", stdin="no\n",
                           check=False)
        assert done.returncode == 77, done
        assert uid_validity(service, password) == before
        service.stop()
        # Or the old one is what there is.
        put_back(service, path, ".old")
        service.start()
        refused(service, password)
        service.run("mailbox", "accept", ADDRESS, "--yes")
        assert count(service, password) == 4, "three, and a message that says what has happened"
        after = uid_validity(service, password)
        assert after > before
        wait_for(lambda: "event=store.rollback_accepted" in service.log_text(), "that in the log")
        deliver(service, password, 8, 1)
        service.stop()
        service.start()
        assert uid_validity(service, password) == after, "that happens once"
        assert count(service, password) == 5
        service.stop()
        # What was accepted once is not what may come back again.
        put_back(service, path, ".old")
        service.start()
        refused(service, password)


def test_a_lost_and_a_foreign_wal():
    with Service(start=False) as service:
        password = service.add_alias(ADDRESS)
        path = mailbox_file(service)
        service.start()
        client = service.imap(ADDRESS, password)
        deliver(service, password, 0, 5)
        assert os.path.getsize(path + "-wal") > 0
        shutil.copy2(path, path + ".first")
        shutil.copy2(path + "-wal", path + "-wal.first")
        deliver(service, password, 5, 5)
        # The row in the directory follows within a second or so; stopping the store in order tells the rest.
        wal = path + "-wal"
        with open(wal, "rb") as file:
            ten = file.read()
        with open(path, "rb") as file:
            main = file.read()
        client.shutdown()
        service.stop()
        with open(path, "rb") as file:
            complete = file.read()

        def put(main_bytes, wal_bytes):
            owner = os.stat(path)
            for name, content in ((path, main_bytes), (wal, wal_bytes)):
                if os.path.exists(name):
                    os.unlink(name)
                if content is not None:
                    with open(name, "wb") as file:
                        file.write(content)
                    os.chown(name, owner.st_uid, owner.st_gid)

        def with_files(main_bytes, wal_bytes):
            put(main_bytes, wal_bytes)
            service.start()
            refused(service, password)
            service.stop()
            with open(path, "rb") as file:
                assert file.read() == main_bytes, "the file was changed before it was accepted"

        with_files(main, None)  # the WAL is gone
        flipped = bytearray(ten)
        flipped[len(ten) // 2] ^= 1
        with_files(main, bytes(flipped))  # a byte of it is
        with open(path + "-wal.first", "rb") as file:
            with_files(complete, file.read())  # a WAL of another day beside the file
        put(complete, None)
        service.start()
        assert count(service, password) == 10


def test_a_crash_is_no_rollback():
    with Service() as service:
        password = service.add_alias(ADDRESS)
        for turn in range(3):
            client = service.imap(ADDRESS, password)
            client.select()
            service.send(ADDRESS, message(turn))
            client.noop()
            client.store("1:*", "+FLAGS", r"(\Flagged)")
            client.copy("1:*", "Archive")
            client.create(f"Folder{turn}")
            client.copy("1", f"Folder{turn}")
            if turn == 1:
                client.delete("Folder0")
                client.store("1", "+FLAGS", r"(\Deleted)")
                client.expunge()
            service.kill()
            client.shutdown()
            service.start()
        assert count(service, password) == 2
        assert "event=store.rolled_back" not in service.log_text()


Tap(globals()).main()
