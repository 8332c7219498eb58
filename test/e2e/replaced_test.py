#!/usr/bin/env python3
"""Files that go back, or are taken away, under live sessions: whoever looks at them is told and ended, nobody
else is, and nothing is acknowledged that nobody would find again."""
import imaplib
import itertools
import os
import shutil
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import Failed, Service, Tap, message, wait_for  # noqa: E402

FIRST, SECOND, OTHER = "hello@example.test", "second@example.test", "other@example.test"


class Mailbox:
    def __init__(self, service, address):
        self.service, self.address = service, address
        before = set(self.paths())
        self.password = service.add_alias(address)
        [self.path] = set(self.paths()) - before

    def paths(self):
        return [path for path in self.service.files() if "/mailboxes/" in path and path.endswith(".sqlite")]

    def put_back(self):
        for ending in ("-wal", "-shm"):
            if os.path.exists(self.path + ending):
                os.unlink(self.path + ending)
        shutil.copy2(self.path, self.path + ".newer")
        os.rename(self.path + ".old", self.path)

    def select(self):
        client = self.service.imap(self.address, self.password)
        client.select()
        return client


def keep(mailboxes):
    """Copies of their files, which nobody has open."""
    for mailbox in mailboxes:
        assert not os.path.exists(mailbox.path + "-wal")
        copy_file(mailbox.path, mailbox.path + ".old")


def copy_file(path, to):
    owner = os.stat(path)
    shutil.copy2(path, to)
    os.chown(to, owner.st_uid, owner.st_gid)


def ended(client):
    """The server says BYE, at the first command or when it has noticed."""
    try:
        wait_for(lambda: client.noop()[0] == "BYE", "the end of a session", 20)
    except imaplib.IMAP4.abort:
        pass
    said = client.untagged_responses["BYE"][-1]
    assert b"The mailbox is not available any more" in said, said
    client.shutdown()


def lives(client):
    assert client.noop()[0] == "OK" and client.fetch("1:*", "(FLAGS)")[0] == "OK"


def events(service, name):
    return [line for line in service.log_text().splitlines() if f" event={name} " in line]


def with_mailboxes(work, copies_have=0):
    """A service with three mailboxes of one message; copies of two of them lie beside them, which have that
    many."""
    with Service({"imap_core_wait": "2s"}, start=False) as service:
        mailboxes = [Mailbox(service, address) for address in (FIRST, SECOND, OTHER)]
        if copies_have == 0:
            keep(mailboxes[:2])
        service.start()
        for mailbox in mailboxes:
            assert mailbox.select().append("INBOX", "", None, message(1))[0] == "OK"
        service.stop()  # the directory is told by then
        if copies_have == 1:
            keep(mailboxes[:2])
        service.start()
        work(service, *mailboxes)


def signal_core(service, role, number):
    pid = service.children()[role]
    os.kill(pid, number)
    return pid


def test_an_older_copy_under_live_sessions():
    def work(service, first, second, other):
        clients = [first.select(), first.select()]
        beside = [second.select(), other.select()]
        for client in (clients[0], beside[0]):
            assert client.append("INBOX", "", None, message(2))[0] == "OK"
        # While the store runs: found with the next request of any of its sessions.
        first.put_back()
        for client in clients:
            ended(client)
        for client in beside:
            lives(client)
        wait_for(lambda: len(events(service, "store.rolled_back")) == 1, "the rollback in the log")
        # While it is away: found when the sessions come back.
        pid = signal_core(service, "store", signal.SIGKILL)
        second.put_back()
        wait_for(lambda: service.children().get("store") not in (pid, None), "another store")
        ended(beside[0])
        lives(beside[1])
        wait_for(lambda: len(events(service, "store.rolled_back")) == 2, "the other one")
        for mailbox in (first, second):
            try:
                mailbox.select()
            except imaplib.IMAP4.error as error:
                assert "[CORRUPTION]" in str(error), error
            else:
                raise AssertionError("served from an older copy")
    with_mailboxes(work)


def test_what_only_a_front_knows():
    """The directory has not been told yet what goes back: the front has it in its sessions."""
    def work(service, first, second, other):
        uids, flags, beside = first.select(), second.select(), other.select()
        directory = signal_core(service, "directory", signal.SIGSTOP)
        assert uids.append("INBOX", "", None, message(2))[0] == "OK"
        lives(uids)
        assert flags.store("1", "+FLAGS", r"(\Flagged)")[0] == "OK"
        pid = signal_core(service, "store", signal.SIGKILL)
        first.put_back()
        second.put_back()
        os.kill(directory, signal.SIGCONT)
        wait_for(lambda: service.children().get("store") not in (pid, None), "another store")
        for client in (uids, flags):
            ended(client)
        lives(beside)
        told = wait_for(lambda: len(lines := events(service, "session.went_back")) == 2 and lines, "the log")
        assert all(" level=error " in line for line in told), told
        assert any("uid_next=2 uid_next_before=3" in line for line in told), told
        assert not events(service, "store.rolled_back")
    with_mailboxes(work, copies_have=1)


def test_the_directory_is_away_when_a_mailbox_is_opened():
    """Nobody is served from a file of which nobody knows what it should have; and later everybody is."""
    def work(service, first, second, other):
        clients = [first.select(), other.select()]
        directory = signal_core(service, "directory", signal.SIGSTOP)
        pid = signal_core(service, "store", signal.SIGKILL)
        wait_for(lambda: service.children().get("store") not in (pid, None), "another store")
        for client in clients:
            status, data = client.fetch("1", "(FLAGS)")
            assert status == "NO" and b"[UNAVAILABLE]" in data[0], (status, data)
        os.kill(directory, signal.SIGCONT)
        for client in clients:
            wait_for(lambda: client.noop()[0] == "OK" and client.fetch("1", "(FLAGS)")[0] == "OK",
                     "the mailbox to be opened")
            client.logout()
    with_mailboxes(work)


def recipient(service, address, numbers=itertools.count()):
    """The answer to RCPT; each time another address, since known ones are not asked for again."""
    with service.smtp() as client:
        client.ehlo()
        client.mail("sender@example.org")
        return client.rcpt(address.replace("@", f"+{next(numbers)}@"))[0]


def test_the_directory_s_own_file():
    with Service({"smtp_core_wait": "2s"}, start=False) as service:
        path = os.path.join(service.data, "directory/directory.sqlite")
        service.add_alias(FIRST)
        copy_file(path, path + ".copy")
        service.start()
        pid = service.children()["directory"]
        assert recipient(service, FIRST) == 250
        # Taken away: nothing goes into it any more, and it is the same one when it is back.
        os.rename(path, path + ".away")
        assert recipient(service, FIRST) == 451
        try:
            service.run("alias", "add", SECOND)
        except Failed as error:
            assert error.status == 69, error
        else:
            raise AssertionError("added to a file that nobody will find")
        os.rename(path + ".away", path)
        assert recipient(service, FIRST) == 250
        assert service.children()["directory"] == pid
        # Another one in its place: that is what counts, from a process that has looked at it.
        service.run("alias", "add", SECOND)
        os.rename(path, path + ".away")
        os.rename(path + "-wal", path + ".away-wal")
        os.rename(path + ".copy", path)
        wait_for(lambda: recipient(service, SECOND) == 550, "the other file")
        assert service.children()["directory"] != pid
        service.run("alias", "add", OTHER)
        service.stop()
        service.start()
        answers = [recipient(service, address) for address in (FIRST, SECOND, OTHER)]
        assert answers == [250, 550, 450], answers  # that one has no password yet
        assert len(events(service, "directory.file_replaced")) == 2


Tap(globals()).main()
