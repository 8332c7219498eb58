#!/usr/bin/env python3
"""Deliveries and APPENDs go on while processes are killed at random: what was acknowledged is there.

CRASH_ROUNDS kills (200 by default), each of one role, of several, or of the whole service. CRASH_SEED
repeats a run's choices. In the end every message that got its 250 or OK is in its mailbox, once,
bit-exact, and no UID ever changed its meaning.
"""
import hashlib
import os
import random
import re
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import Service, Tap, wait_for  # noqa: E402

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "200"))
SEED = int(os.environ.get("CRASH_SEED", str(int.from_bytes(os.urandom(4), "big"))))
SENDERS, APPENDERS = 3, 2


def make(identity, rng):
    """A message with an identity that a search of its bytes finds; one in five has an attachment."""
    filler = "".join(rng.choice("abcdefghij klmnop") for _ in range(rng.randrange(50, 4000)))
    lines = [f"From: sender@example.org", "To: someone@example.test", f"Subject: {identity}",
             f"Message-ID: <{identity}@example.org>", f"X-Identity: {identity}"]
    if rng.random() < 0.2:
        import base64
        blob = base64.encodebytes(rng.randbytes(20000)).decode().replace("\n", "\r\n")
        lines += ["MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=frontier", "",
                  "--frontier", "Content-Type: text/plain", "", filler, "--frontier",
                  "Content-Type: application/octet-stream", "Content-Transfer-Encoding: base64", "",
                  blob + "--frontier--"]
    else:
        lines += ["", filler]
    return ("\r\n".join(lines) + "\r\n").encode()


class Worker(threading.Thread):
    def __init__(self, service, address, number):
        super().__init__(daemon=True)
        self.service, self.address, self.number = service, address, number
        self.rng = random.Random(f"{SEED}-{type(self).__name__}-{number}")
        self.acknowledged = {}  # identity → digest
        self.offered = {}
        self.stopping = False
        self.errors = []
        self.count = 0

    def next(self):
        self.count += 1
        identity = f"{type(self).__name__}-{self.number}-{self.count}"
        raw = make(identity, self.rng)
        self.offered[identity] = hashlib.sha256(raw).hexdigest()
        return identity, raw

    def run(self):
        client = None
        while not self.stopping:
            try:
                if client is None:
                    client = self.connect()
                identity, raw = self.next()
                if self.put(client, raw):
                    self.acknowledged[identity] = self.offered[identity]
            except Exception as error:  # the connection died with its process
                self.errors.append(repr(error)[:200])
                client = None
                time.sleep(0.01)


class Sender(Worker):
    def connect(self):
        client = self.service.smtp(timeout=30)
        client.ehlo()
        return client

    def put(self, client, raw):
        code, text = client.mail("sender@example.org")
        if code == 250:
            code, text = client.rcpt(self.address)
        if code == 250:
            code, text = client.data(raw)
        if code == 250:
            return True
        client.rset()
        assert 400 <= code < 500, (code, text)
        return False


class Appender(Worker):
    password = None

    def connect(self):
        return self.service.imap(self.address, self.password, timeout=30)

    def put(self, client, raw):
        status, data = client.append("INBOX", "", None, raw)
        return status == "OK"


class Watcher(Worker):
    """Reads UIDs again and again: one UID, one message, for ever."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.seen = {}
        self.validity = None

    def connect(self):
        client = self.service.imap(self.address, self.password, timeout=30)
        client.select("INBOX", readonly=True)
        validity = client.response("UIDVALIDITY")[1][0]
        assert self.validity in (None, validity), (self.validity, validity)
        self.validity = validity
        return client

    def put(self, client, raw):
        client.noop()
        top = max(self.seen, default=0)
        for uid, identity in identities(client, f"{max(1, top - 20)}:*"):
            if self.seen.setdefault(uid, identity) != identity:
                self.service.broken.append(f"UID {uid} was {self.seen[uid]}, is {identity}")
        time.sleep(0.05)
        return False


def identities(client, uids):
    status, data = client.uid("FETCH", uids, "(BODY.PEEK[HEADER.FIELDS (X-IDENTITY)])")
    assert status == "OK", data
    for item in data:
        if isinstance(item, tuple):
            uid = int(re.search(rb"UID (\d+)", item[0]).group(1))
            yield uid, re.search(rb"X-Identity: (\S+)", item[1], re.I).group(1).decode()


def kill_something(service, rng):
    choice = rng.random()
    if choice < 0.15:
        service.kill()
        service.start()
        return
    roles = ["store"] if choice < 0.55 else [rng.choice(["store", "directory", "smtp", "imap"])]
    if choice > 0.9:
        roles = ["store", "directory", "smtp", "imap"]
    for role in roles:
        def alive():
            return service.children().get(role)
        pid = wait_for(alive, f"{role} to be running")
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def check(service, address, password, workers, validity):
    client = service.imap(address, password)
    assert client.select("INBOX")[0] == "OK"
    if validity is not None:
        assert client.response("UIDVALIDITY")[1][0] == validity
    status, data = client.uid("SEARCH", None, "ALL")
    uids = data[0].split()
    offered = {i: d for w in workers for i, d in w.offered.items()}
    acknowledged = {i: d for w in workers for i, d in w.acknowledged.items()}
    found, by_uid = {}, {}
    for at in range(0, len(uids), 200):
        status, data = client.uid("FETCH", b",".join(uids[at:at + 200]).decode(), "(BODY.PEEK[])")
        assert status == "OK", data
        for item in data:
            if not isinstance(item, tuple):
                continue
            raw = item[1]
            identity = re.search(rb"X-Identity: (\S+)", raw).group(1).decode()
            by_uid[int(re.search(rb"UID (\d+)", item[0]).group(1))] = identity
            if identity.startswith("Sender"):
                assert raw.startswith(b"Return-Path:"), raw[:100]
                raw = raw[raw.index(b"\r\nFrom: ") + 2:]
            assert hashlib.sha256(raw).hexdigest() == offered[identity], f"{identity} was altered"
            found[identity] = found.get(identity, 0) + 1
    client.logout()
    lost = sorted(set(acknowledged) - set(found))
    doubled = sorted(i for i, n in found.items() if n > 1)
    assert not lost, f"lost {len(lost)} of {len(acknowledged)}: {lost[:10]}"
    assert not doubled, f"{len(doubled)} appear twice: {doubled[:10]}"
    return len(acknowledged), by_uid


def test_every_acknowledged_message_is_there_once():
    print(f"# CRASH_SEED={SEED} CRASH_ROUNDS={ROUNDS}", flush=True)
    rng = random.Random(SEED)
    with Service({"log_level": "info", "connections_per_mailbox": 1000,
                  "login_failures_max": 100000, "smtp_connections_max": 5000}) as service:
        service.broken = []
        present, absent = "present@example.test", "absent@example.test"
        passwords = {address: service.add_alias(address) for address in (present, absent)}
        Appender.password = Watcher.password = passwords[present]
        workers = [Sender(service, present, n) for n in range(SENDERS)]
        workers += [Appender(service, present, n) for n in range(APPENDERS)]
        away = [Sender(service, absent, 100 + n) for n in range(SENDERS)]
        watcher = Watcher(service, present, 0)
        crew = workers + away + [watcher]
        for worker in crew:
            worker.start()
        merges = 0
        for number in range(ROUNDS):
            time.sleep(rng.uniform(0.0, 0.25))  # where in its work a process dies is the dice's choice
            kill_something(service, rng)
            if number % 20 == 19:
                # The absent owner looks in, and the store dies somewhere in the merge.
                def look():
                    try:
                        client = service.imap(absent, passwords[absent], timeout=30)
                        client.select("INBOX")
                        client.logout()
                    except Exception:
                        pass
                visitor = threading.Thread(target=look, daemon=True)
                visitor.start()
                time.sleep(rng.uniform(0.0, 0.1))
                kill_something(service, rng)
                visitor.join(60)
                merges += 1
        for worker in crew:
            worker.stopping = True
        for worker in crew:
            worker.join(90)
            assert not worker.is_alive(), f"{worker} hangs"
        wait_for(lambda: len(service.children()) >= 4, "all roles")
        kept, by_uid = check(service, present, passwords[present], workers, watcher.validity)
        wrong = {u: i for u, i in watcher.seen.items() if by_uid.get(u, i) != i}
        assert not service.broken and not wrong, (service.broken[:5], wrong)
        away_kept, _ = check(service, absent, passwords[absent], away, None)
        print(f"# {ROUNDS} rounds, {merges} merges: {kept} + {away_kept} acknowledged, all there once")
        assert kept > ROUNDS / 4 and away_kept > ROUNDS / 4, "too few messages went through to prove it"
        assert service.stop() == 0


if __name__ == "__main__":
    Tap(globals()).main()
