#!/usr/bin/env python3
"""Nothing readable on disk: markers are planted everywhere, then every byte is searched.

The same work is done twice: with the cipher, where no marker may be found at any moment, and without (a
switch that only test builds have), where every marker must be found, or the search itself is broken.
"""
import base64
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import Service, Tap, wait_for  # noqa: E402

ADDRESS = "hello@example.test"
MARKERS = {
    "correspondent": "zanzibarmarker",
    "subject": "quagmiremarker",
    "text": "xylophonemarker",
    "attachment": "kaleidoscopemarker",
    "file name": "juxtapositionmarker",
    "keyword": "wyvernmarker",
    "folder": "obelismmarker",
}


def forms(word):
    """The ways in which a word may lie on a disk."""
    raw = word.encode()
    yield raw
    yield raw.upper()
    yield raw.decode().encode("utf-16-le")
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + raw).rstrip(b"=")
        yield coded[[0, 2, 3][shift]:len(coded) - 1]


def sealed_message(number):
    attachment = base64.encodebytes((MARKERS["attachment"] + f" {number} ").encode() * 1500)
    return (f"From: <{MARKERS['correspondent']}@example.org>\r\nTo: {ADDRESS}\r\n"
            f"Subject: {MARKERS['subject']} {number}\r\nMessage-ID: <{number}@example.org>\r\n"
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=frontier\r\n\r\n"
            f"--frontier\r\nContent-Type: text/plain\r\n\r\n{MARKERS['text']} {number}\r\n"
            "--frontier\r\nContent-Type: application/octet-stream\r\n"
            f"Content-Disposition: attachment; filename={MARKERS['file name']}.bin\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n").encode() + \
        attachment.replace(b"\n", b"\r\n") + b"--frontier--\r\n"


class Search:
    """Looks through every file of the service, and what its processes hold open but deleted."""

    def __init__(self, service):
        self.service = service
        self.words = dict(MARKERS)
        self.found = {}
        self.bytes = 0

    def contents(self):
        for folder, _, names in os.walk(self.service.folder):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.isfile(path) and not name.startswith("password"):
                    yield path
        if self.service.process is None:
            return
        for pid in [self.service.process.pid, *self.service.children().values()]:
            try:
                for fd in os.listdir(f"/proc/{pid}/fd"):
                    link = os.readlink(f"/proc/{pid}/fd/{fd}")
                    if link.endswith(" (deleted)") and link.startswith("/") \
                            and "/memfd:" not in link:
                        yield f"/proc/{pid}/fd/{fd}"
            except (FileNotFoundError, PermissionError, ProcessLookupError):
                continue

    def look(self, when):
        for path in list(self.contents()):
            try:
                with open(path, "rb") as file:
                    data = file.read()
            except (FileNotFoundError, PermissionError, OSError):
                continue
            self.bytes += len(data)
            for kind, word in list(self.words.items()):
                if any(form in data for form in forms(word)):
                    self.found.setdefault(kind, f"{when}: {path}")


def everything(service, search):
    """All that the server can do, with a look at the disk after each step and all the while."""
    password = service.add_alias(ADDRESS)
    search.words["password"] = password
    search.look("after creation")
    stop = threading.Event()

    def watch():
        while not stop.is_set():
            search.look("meanwhile")
            time.sleep(0.02)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        sender = f"{MARKERS['correspondent']}@example.org"
        for number in range(3):
            service.send(ADDRESS, sealed_message(number), sender)
        search.look("after sealed delivery")
        client = service.imap(ADDRESS, password)
        client.select("INBOX")
        service.send(ADDRESS, sealed_message(3), sender)
        search.look("after online delivery")
        client.create(MARKERS["folder"])
        client.append(MARKERS["folder"], f"({MARKERS['keyword']})", None, sealed_message(4))
        wait_for(lambda: client.noop() and len(client.search(None, "ALL")[1][0].split()) == 4,
                 "four messages")
        client.store("1:2", "+FLAGS", f"({MARKERS['keyword']})")
        assert client.search(None, "TEXT", f'"{MARKERS["text"]} 2"')[1] == [b"3"]
        assert client.search(None, "KEYWORD", MARKERS["keyword"])[1] == [b"1 2"]
        client.copy("1:3", MARKERS["folder"])
        client.store("1", "+FLAGS", r"(\Deleted)")
        client.expunge()
        search.look("after copy and expunge")
        client.logout()
        service.run("mailbox", "verify", ADDRESS, stdin=password + "\n")
        fresh = service.json("password", "new", ADDRESS, stdin=password + "\n")["password"]
        search.words["new password"] = fresh
        app = service.json("password", "app", ADDRESS, "--label", "phone", stdin=fresh + "\n")
        search.words["app password"] = app["password"]
        search.look("after the re-key")
        client = service.imap(ADDRESS, app["password"])
        client.select("INBOX")
        senders = [threading.Thread(target=try_to_send, args=(service, number, sender))
                   for number in range(10, 16)]
        for thread in senders:
            thread.start()
        time.sleep(0.05)  # any moment will do: the crash is to come in the middle of something
        service.kill()
        for thread in senders:
            thread.join()
        search.look("after a crash")
        service.start()
        client = service.imap(ADDRESS, fresh)
        client.select("INBOX")
        # A core dump, if anything lets one be made, would hold all of it.
        os.kill(service.children()["store"], signal.SIGSEGV)
        wait_for(lambda: client.noop()[0] == "OK", "the store to be back")
        search.look("after a segmentation fault")
        client.logout()
    finally:
        stop.set()
        watcher.join()
    service.stop()
    search.look("after the end")
    return client


def try_to_send(service, number, sender):
    try:
        service.send(ADDRESS, sealed_message(number), sender)
    except Exception:
        pass


def no_core_limit():
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)


def test_no_marker_is_ever_on_the_disk():
    no_core_limit()
    with Service() as service:
        search = Search(service)
        everything(service, search)
        assert search.bytes > 1_000_000, search.bytes
        assert not search.found, search.found
        cores = [n for _, _, names in os.walk(service.folder) for n in names if n.startswith("core")]
        assert not cores, cores
        print(f"# {search.bytes} bytes searched, 0 hits")


def test_the_search_finds_every_marker_when_the_cipher_is_off():
    with Service(environment={"TEST_PLAIN": "1"}) as service:
        search = Search(service)
        everything(service, search)
        missing = sorted(set(MARKERS) - set(search.found))
        assert not missing, f"not found without the cipher: {missing}"


if __name__ == "__main__":
    Tap(globals()).main()
