#!/usr/bin/env python3
"""A second mailbox is out of reach, and so is everything outside of the sandbox: fronts that have been
taken over (rogue.c) send any link message they like, and make any system call, and get nowhere.

Prints the rogue's own TAP, once for each front, then whether the victim was left alone.
"""
import imaplib
import os
import re
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import BUILD, Service, message, wait_for  # noqa: E402

ROGUE = os.path.join(BUILD, "test", "rogue")
OWN, VICTIM, OTHER = "rogue@example.test", "victim@example.test", "other@example.test"
BREAK_OUTS = ("socket", "unconnect", "fast-open", "signal", "close-port", "ask-for-front")


class Results:
    def __init__(self):
        self.number = self.failed = 0

    def add(self, good, name):
        self.number += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.number} - {name}", flush=True)


def connect(port, rogue):
    """A connection to the rogue process behind the port, or to the honest one: the kernel chooses."""
    for _ in range(1000):
        try:
            client = socket.create_connection(("127.0.0.1", port), timeout=300)
            greeting = client.recv(100)
        except OSError:
            continue
        if greeting and greeting.startswith(b"ROGUE") == rogue:
            return client
        client.close()
    raise AssertionError("never got there")


def tell_rogue(port, line):
    with connect(port, True) as client:
        client.sendall(line.encode() + b"\n")
        answer = b""
        while True:
            piece = client.recv(65536)
            if not piece:
                return answer.decode()
            answer += piece


def honest_imap(service, address, password):
    for _ in range(1000):
        try:
            return service.imap(address, password)
        except (imaplib.IMAP4.error, OSError):
            continue
    raise AssertionError("never got there")


def ends(service, role):
    """How processes of that role have ended: exit status and signal."""
    return re.findall(rf"event=supervisor\.ended process={role} index=1 pid=\d+ status=(-?\d+) signal=(\d+)",
                      service.log_text())


def break_out(service, results, role, port):
    for name in BREAK_OUTS:
        before = len(ends(service, role))
        try:
            answer = tell_rogue(port, f"break-out {name}")
        except ConnectionError:
            answer = ""
        # SIGSYS; a build with sanitizers says which call it was and aborts. Or SIGKILL, by the supervisor.
        wanted = ("9",) if name == "ask-for-front" else ("31", "6")
        ended = wait_for(lambda: ends(service, role)[before:], f"the end of {role}") \
            if "still here" not in answer else []
        results.add(bool(ended) and ended[0][1] in wanted, f"{role}: dies of trying {name}")


def forge(service, results, role, port):
    """Whatever a front writes to its log stands there as its own, and holds nobody up."""
    before = service.log_text()
    pid = next(re.search(r"pid=(\d+)", line).group(1) for line in reversed(before.splitlines())
               if f"event=supervisor.serving process={role} index=1 " in line)
    said = tell_rogue(port, "forge")

    def new_lines():
        return service.log_text()[len(before):].splitlines()[:-1]
    wait_for(lambda: any("forged" in line for line in new_lines()), "what was forged in the log")
    forged = [line for line in new_lines() if "forged" in line or "ended process=store" in line]
    stamp = re.compile(rf"time=\S+ level=error role={role} index=1 pid={pid} event=process\.output text=\"")
    results.add("forged" in said and bool(forged) and all(stamp.match(line) for line in forged),
                f"{role}: forges no line of the log")


def deaf(service, results):
    """A front that does not read what the supervisor tells it holds up nobody else."""
    def reloads(index):
        return len(re.findall(rf"role=imap index={index} pid=\d+ event=role\.reloaded", service.log_text()))
    # Settings that no buffer of a socket holds: what stands outside of a certificate says nothing.
    with open(service.options["tls_certificate_file"], "ab") as file:
        file.write(b"# Nothing in particular.\n" * 20000)
    rogue = service.children()["imap#2"]
    honest = reloads(0)
    with connect(service.imap_port, True) as client:  # for us alone it is there, for a while
        service.process.send_signal(signal.SIGHUP)
        wait_for(lambda: reloads(0) > honest, "the honest front to have its settings")
        before = service.children()["smtp"]
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: service.children().get("smtp", before) != before, "another smtp process")
        client.setblocking(False)
        try:
            held = client.recv(1) != b""
        except BlockingIOError:
            held = True
    wait_for(lambda: reloads(1) > 0 or service.children().get("imap#2") != rogue, "the rogue to hear of it")
    results.add(held and service.children().get("imap#2") == rogue, "imap: reads nothing, and holds up nobody")


class Stream:
    """An IMAP connection whose every byte is read by the grammar of RFC 3501 section 9, and nothing else."""

    def __init__(self, service, address, password):
        self.socket = socket.create_connection(("127.0.0.1", service.imap_port), timeout=60)
        self.file = self.socket.makefile("rb")
        self.greeting = self.file.readline()
        self.count = 0
        if not self.greeting.startswith(b"* OK "):
            raise ConnectionError("the rogue's own")
        self.command(f'LOGIN {address} "{password}"')

    def byte(self, wanted):
        got = self.file.read(1)
        if got != wanted:
            raise AssertionError(f"{got} instead of {wanted}")

    def peek(self):
        return self.file.peek(1)[:1]

    def quoted(self):
        text = b""
        self.byte(b'"')
        while (c := self.file.read(1)) != b'"':
            if c == b"\\":
                c = self.file.read(1)
                assert c in (b'"', b"\\"), c
            assert c and c not in b"\r\n\0" and c < b"\x80", c
            text += c
        return text

    def literal(self):
        self.byte(b"{")
        digits = b""
        while (c := self.file.read(1)).isdigit():
            digits += c
        assert digits and c == b"}", (digits, c)
        self.byte(b"\r")
        self.byte(b"\n")
        text = self.file.read(int(digits))
        assert len(text) == int(digits) and b"\0" not in text
        return text

    def value(self):
        if self.peek() == b"(":
            return self.list()
        if self.peek() == b'"':
            return self.quoted()
        if self.peek() == b"{":
            return self.literal()
        atom = b""
        while self.peek() not in (b" ", b")", b"\r"):
            c = self.file.read(1)
            if c == b"[":
                while c[-1:] != b"]":
                    c += self.file.read(1)
            assert c > b" " and c not in (b"(", b"{", b'"') and c < b"\x7f", c
            atom += c
        assert atom
        return atom

    def list(self):
        items = []
        self.byte(b"(")
        while self.peek() != b")":
            items.append(self.value())
            if self.peek() == b" ":
                self.byte(b" ")
            elif self.peek() != b"(":  # addresses and bodies follow each other without a blank
                break
        self.byte(b")")
        return items

    def command(self, text):
        """The untagged responses, each a list of values; text responses as their line."""
        self.count += 1
        tag = f"t{self.count}".encode()
        self.socket.sendall(tag + b" " + text.encode() + b"\r\n")
        responses = []
        while self.peek() != b"t":
            self.byte(b"*")
            self.byte(b" ")
            words = [self.value()]
            assert words[0] in (b"FLAGS", b"LIST", b"SEARCH", b"STATUS", b"OK", b"CAPABILITY") or words[0].isdigit(), words
            if words[0] in (b"OK", b"CAPABILITY"):
                responses.append(words + [self.file.readline()])
                continue
            while self.peek() == b" ":
                self.byte(b" ")
                words.append(self.value())
            self.byte(b"\r")
            self.byte(b"\n")
            responses.append(words)
        assert self.file.readline().startswith(tag + b" OK "), text
        return responses


def honest_stream(service, address, password):
    for _ in range(1000):
        try:
            return Stream(service, address, password)
        except OSError:
            continue
    raise AssertionError("never got there")


def slander(service, results, address, password):
    """A front says what it likes of mail to a victim: the victim's stream stays well-formed."""
    said = tell_rogue(service.smtp_port, f"slander {address}")
    lines = [line for line in said.splitlines() if line.startswith(("ok", "not ok"))]
    for line in lines:
        word, _, rest = line.partition(" - ")
        results.add(word.startswith("ok"), f"slander: {rest}")
    stream = honest_stream(service, address, password)
    stream.command('LIST "" *')
    count = sum(" is taken (" in line for line in lines)
    selected = stream.command("SELECT INBOX")
    results.add([str(count).encode(), b"EXISTS"] in selected and count >= 15, "slander: all of it is there")
    rows = stream.command("FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE PREVIEW"
                          " BODY.PEEK[] BODY.PEEK[1] BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    good = len(rows) == count and all(
        row[1] == b"FETCH" and len(row[2]) == 22 and len(row[2][9]) == 10 and row[2][17] == b"Subject: x\r\n\r\ny\r\n"
        for row in rows)
    results.add(good, "slander: every response is one value for each item")
    if not good:
        print(f"# {rows}")
    stream.command("SEARCH SUBJECT BYE")
    stream.command("STATUS INBOX (MESSAGES)")
    stream.command("NOOP")
    results.add(True, "slander: the stream goes on")


def main():
    results = Results()
    options = {"imap_processes": "2", "smtp_processes": "2"}
    with Service(options=options, binary=ROGUE) as service:
        own_password, victim_password = service.add_alias(OWN), service.add_alias(VICTIM)
        other_password = service.add_alias(OTHER)
        victim = {alias["address"]: alias for alias in service.json("alias", "list")["aliases"]}[VICTIM]
        sent = message(1, "Private")
        with connect(service.smtp_port, False) as client:
            lines = client.makefile("rb")
            for line in ("EHLO client.example.org", "MAIL FROM:<sender@example.org>",
                         f"RCPT TO:<{VICTIM}>", "DATA"):
                client.sendall(line.encode() + b"\r\n")
                while lines.readline()[3:4] == b"-":
                    pass
            client.sendall(sent + b".\r\n")
            results.add(lines.readline().startswith(b"250"), "the honest front takes a message")
        # A live session, so that there is one to steal.
        reader = honest_imap(service, VICTIM, victim_password)
        reader.select("INBOX")
        for role, port in (("imap", service.imap_port), ("smtp", service.smtp_port)):
            said = tell_rogue(port, f"attack {victim['mailbox']} {OWN} {VICTIM} {own_password}")
            lines = [line for line in said.splitlines() if line.startswith(("ok", "not ok"))]
            for line in lines:
                word, _, rest = line.partition(" - ")
                results.add(word.startswith("ok"), f"{role}: {rest}")
            good = f"1..{len(lines)}" in said and len(lines) > 20
            results.add(good, f"{role}: ran to its end")
            if not good:
                print("# " + "\n# ".join(said.splitlines()[-40:]))
            forge(service, results, role, port)
            # An ordinary user has nothing to limit it by.
            threads = int(tell_rogue(port, "crowd").split()[0])
            results.add(0 < threads < 64 or os.geteuid() != 0, f"{role}: makes no more than a few threads")
            # 64 at once, and then 20 a second: so 40 more take two seconds.
            if role == "imap":
                elapsed_ms = int(tell_rogue(port, "insist").split()[0])
                results.add(elapsed_ms > 1500, f"{role}: gets links no faster than that ({elapsed_ms} ms)")
            break_out(service, results, role, port)
        deaf(service, results)
        slander(service, results, OTHER, other_password)
        status, data = reader.fetch("1", "(BODY.PEEK[])")
        fresh = honest_imap(service, VICTIM, victim_password)
        untouched = (status == "OK" and data[0][1].endswith(sent)
                     and fresh.select("INBOX")[1] == [b"1"] and service.stop() == 0)
        results.add(untouched, "the victim's mailbox is as it was")
    print(f"1..{results.number}")
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
