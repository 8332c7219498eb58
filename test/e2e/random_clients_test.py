#!/usr/bin/env python3
"""Several clients do random things to one mailbox, and each keeps its own picture of it from what the
server tells: numbers, UIDs, flags. The pictures must always make sense and agree in the end.

    random_clients_test.py [seed]
"""
import os
import random
import re
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import Service, Tap, message, wait_for, WAIT  # noqa: E402

ADDRESS = "hello@example.test"
SEED = int(os.environ.get("TEST_SEED", "1"))
STEPS = int(os.environ.get("TEST_STEPS", "1500"))
SERVICE = Service()
PASSWORD = SERVICE.add_alias(ADDRESS)
FLAGS = ["\\Seen", "\\Flagged", "\\Answered", "\\Draft", "\\Deleted", "$Label", "work"]


class Client:
    """Its picture: one [uid or None, flags or None] for each message number."""

    def __init__(self, name):
        self.name = name
        self.socket = socket.create_connection(("127.0.0.1", SERVICE.imap_port), timeout=WAIT)
        self.file = self.socket.makefile("rb")
        self.tags = 0
        self.messages = []
        self.found = None
        self.line()
        self.do(f"LOGIN {ADDRESS} {PASSWORD}")
        self.select()

    def line(self):
        """A response, its literals put in as they are."""
        whole = b""
        while True:
            line = self.file.readline()
            assert line.endswith(b"\r\n"), (self.name, line)
            whole += line
            literal = re.search(rb"\{(\d+)\}\r\n$", line)
            if not literal:
                return whole[:-2].decode("latin-1")
            whole += self.file.read(int(literal.group(1)))

    def do(self, command, may_expunge=True, wanted=("OK",)):
        self.tags += 1
        tag = f"{self.name}{self.tags}"
        self.command = command
        self.socket.sendall(f"{tag} {command}\r\n".encode("latin-1"))
        while True:
            line = self.line()
            if line.startswith(tag + " "):
                status = line.split()[1]
                assert status in wanted, (command, line)
                return line
            self.untagged(line, may_expunge)

    def untagged(self, line, may_expunge=True):
        words = line.split(" ", 3)
        if line.startswith("* SEARCH"):
            self.found = [int(word) for word in words[2:] for word in word.split()]
        if len(words) < 3 or not words[1].isdigit():
            return
        number, what = int(words[1]), words[2]
        if what == "EXISTS":
            assert number >= len(self.messages), (self.command, line, len(self.messages))
            self.messages += [[None, None] for _ in range(number - len(self.messages))]
        elif what == "EXPUNGE":
            assert may_expunge, (self.command, line)
            assert 1 <= number <= len(self.messages), (self.command, line, len(self.messages))
            del self.messages[number - 1]
        elif what == "FETCH":
            assert 1 <= number <= len(self.messages), (self.command, line, len(self.messages))
            self.fetched(self.messages[number - 1], words[3])

    def fetched(self, known, text):
        uid = re.search(r"\bUID (\d+)", text)
        flags = re.search(r"\bFLAGS \(([^)]*)\)", text)
        if uid:
            assert known[0] in (None, int(uid.group(1))), (self.command, text, known)
            known[0] = int(uid.group(1))
        if flags:
            known[1] = frozenset(flags.group(1).split()) - {"\\Recent"}

    def select(self):
        self.messages = []
        self.do("SELECT INBOX")
        self.do("FETCH 1:* (UID FLAGS)" if self.messages else "NOOP", may_expunge=False)

    def some(self, rng):
        """A message number, or a range of them."""
        first, last = sorted(rng.choices(range(1, len(self.messages) + 1), k=2))
        return str(first) if rng.random() < 0.5 else f"{first}:{last}"

    def some_uids(self, rng):
        uids = [uid for uid, _ in self.messages if uid]
        return ",".join(map(str, rng.sample(uids, min(len(uids), rng.randint(1, 4))))) or "1"

    def append(self, rng):
        raw = message(rng.randint(0, 10**6), "Random").decode()
        flags = " ".join(rng.sample(FLAGS, rng.randint(0, 2)))
        self.do(f"APPEND INBOX ({flags}) {{{len(raw)}+}}\r\n{raw}")

    def store(self, rng):
        flags = " ".join(rng.sample(FLAGS, rng.randint(1, 3)))
        how = rng.choice(["FLAGS", "+FLAGS", "-FLAGS"])
        if rng.random() < 0.5 and self.messages:
            self.do(f"STORE {self.some(rng)} {how} ({flags})", may_expunge=False)
        else:
            self.do(f"UID STORE {self.some_uids(rng)} {how} ({flags})")

    def fetch(self, rng):
        items = rng.choice(["(UID FLAGS)", "(FLAGS BODY[])", "ENVELOPE", "FULL", "BODY.PEEK[TEXT]"])
        if rng.random() < 0.5 and self.messages:
            self.do(f"FETCH {self.some(rng)} {items}", may_expunge=False)
        else:
            self.do(f"UID FETCH {self.some_uids(rng)} {items}")

    def search(self, rng):
        key = rng.choice(["ALL", "SEEN", "NOT FLAGGED", "DELETED KEYWORD work", "SUBJECT random"])
        self.do(f"SEARCH {key}", may_expunge=False)
        assert all(1 <= number <= len(self.messages) for number in self.found), self.found

    def idle(self, rng):
        self.command = "IDLE"
        self.socket.sendall(b"i IDLE\r\n")
        while not (line := self.line()).startswith("+"):
            self.untagged(line)
        self.socket.sendall(b"DONE\r\n")
        while not (line := self.line()).startswith("i "):
            self.untagged(line)
        assert line.startswith("i OK"), line

    def copy(self, rng):
        name = rng.choice(["COPY", "MOVE"])
        target = rng.choice(["INBOX", "Archive"])
        self.do(f"UID {name} {self.some_uids(rng)} {target}", wanted=("OK", "NO"))

    def step(self, rng):
        actions = [(self.append, 6), (self.store, 8), (self.fetch, 6), (self.search, 2),
                   (self.idle, 2), (self.copy, 2), (lambda _: self.do("NOOP"), 4),
                   (lambda _: self.do("EXPUNGE"), 1), (lambda _: self.select(), 1)]
        action = rng.choices([a for a, _ in actions], [weight for _, weight in actions])[0]
        action(rng)

    def picture(self):
        self.do("NOOP")
        known = [tuple(entry) for entry in self.messages]
        if known:
            self.do("FETCH 1:* (UID)", may_expunge=False)
        uids = [uid for uid, _ in self.messages]
        assert uids == sorted(set(uids)) and None not in uids, uids
        return [(uid, flags) for (uid, _), (_, flags) in zip(self.messages, known)]


def random_steps(clients, rng, steps, kill=False):
    for step in range(steps):
        rng.choice(clients).step(rng)
        if kill and step % 100 == 50:
            before = SERVICE.children()["store"]
            os.kill(before, signal.SIGKILL)
    for client in clients:
        client.do("NOOP")
        if client.messages:
            client.do("FETCH 1:* (UID)", may_expunge=False)
    # Flags that a client was never told of it does not know; those that it knows must be right.
    truth = dict(Client("t").picture())
    for client in clients:
        picture = client.picture()
        assert [uid for uid, _ in picture] == sorted(truth), (client.name, picture, truth)
        for uid, flags in picture:
            assert flags is None or flags == truth[uid], (client.name, uid, flags, truth[uid])


def test_pictures_agree():
    rng = random.Random(SEED)
    random_steps([Client(name) for name in "abc"], rng, STEPS)


def test_pictures_agree_while_the_store_dies():
    rng = random.Random(SEED + 1000)
    random_steps([Client(name) for name in "xyz"], rng, STEPS // 4, kill=True)


def test_a_client_far_behind_catches_up():
    """More changes than the store tells in one answer."""
    writer, reader = SERVICE.imap(ADDRESS, PASSWORD), SERVICE.imap(ADDRESS, PASSWORD)
    writer.create("Many")
    writer.append("Many", "", None, message(1))
    writer.select("Many")
    for _ in range(17):
        writer.copy("1:*", "Many")
        writer.noop()
    count = 2 ** 17
    reader.select("Many")
    reader.untagged_responses.clear()
    assert writer.store("1:*", "+FLAGS.SILENT", r"(\Seen)")[0] == "OK"
    assert writer.store("5:9", "+FLAGS.SILENT", r"(\Deleted)")[0] == "OK"
    assert len(writer.expunge()[1]) == 5
    writer.append("Many", "", None, message(2))
    reader.noop()
    assert len(reader.response("EXPUNGE")[1]) == 5
    assert reader.response("EXISTS")[1] == [b"%d" % (count - 4)]
    told = reader.response("FETCH")[1]
    assert len(told) == count - 5, len(told)
    assert told[0] == rb"1 (UID 1 FLAGS (\Seen))", told[0]
    assert told[-1] == rb"%d (UID %d FLAGS (\Seen))" % (count - 5, count), told[-1]
    reader.noop()
    assert reader.response("FETCH")[1] == [None]


if __name__ == "__main__":
    try:
        Tap(globals()).main()
    finally:
        SERVICE.stop()
