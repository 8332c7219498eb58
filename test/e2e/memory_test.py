#!/usr/bin/env python3
"""No secret lingers in memory: the memory of every process is searched through /proc/PID/mem.

Passwords may be nowhere once their login (or the command that made them) has been answered, the mailbox
secret nowhere at all but under the key of a process, the data key only in the store and only while the
mailbox is open. Pieces of a secret count like the whole: free() overwrites the beginning of what it frees.
The search proves itself by finding what must be there. Needs root, like any look into these processes.
"""
import base64
import hashlib
import imaplib
import mmap
import os
import re
import secrets
import socket
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from scram_test import Scram  # noqa: E402
from service import BINARY, BUILD, Service, Tap, message, wait_for  # noqa: E402

ADDRESS = "hello@example.test"
# The optimized build beside the one that is tested: AddressSanitizer has a free() of its own.
INSTALLED = os.path.join(os.path.dirname(os.path.abspath(BUILD)), "build", "postkasse")
PIECE = 8  # bytes of a secret that may not be found: 40 bits of a password, 64 of a key
PAGE = mmap.PAGESIZE
READ = 128 * 1024
# Larger mappings are reserved addresses: the shadow of AddressSanitizer, which holds no program data.
MAPPING_MAX = 1 << 32


def pieces(whole):
    """Every run of 2 * PIECE - 1 bytes of it contains one of these."""
    starts = [*range(0, len(whole) - PIECE + 1, PIECE), len(whole) - PIECE]
    return [whole[start:start + PIECE] for start in starts]


def unmasked(data):
    """Each byte XOR the one four further on: the same whatever mask a WebSocket frame is under."""
    number = int.from_bytes(data, "little")
    return (number ^ (number >> 32)).to_bytes(len(data), "little")[:-4]


def present(pid, start, end):
    """The runs of pages between start and end that are there, in memory or swapped out."""
    with open(f"/proc/{pid}/pagemap", "rb") as file:
        file.seek(start // PAGE * 8)
        entries = file.read((end - start) // PAGE * 8)
    # The two highest bits of an entry, which ends with its highest byte.
    for run in re.finditer(rb"[\x40-\xff]+", entries[7::8]):
        yield start + run.start() * PAGE, start + run.end() * PAGE


def memory(pid):
    """What a process holds that is not just code read from its files: (name, address, bytes)."""
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
        mappings = file.read().splitlines()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for line in mappings:
            addresses, rights, _, _, inode, *name = line.split(None, 5)
            name = name[0] if name else ""
            start, end = (int(part, 16) for part in addresses.split("-"))
            if name in ("[vvar]", "[vvar_vclock]", "[vsyscall]") or end - start > MAPPING_MAX or \
                    (inode != "0" and "w" not in rights):
                continue
            for first, last in present(pid, start, end):
                for at in range(first, last, READ):
                    # A little of what follows, for secrets that lie across the cut.
                    wanted = min(last, at + READ + PAGE) - at
                    try:
                        yield name, at, os.pread(mem.fileno(), wanted, at)
                    except OSError:  # unmapped meanwhile: look whether it still is there
                        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
                            if line in file.read().splitlines():
                                raise


class Search:
    """Names of secrets, and where in the service's processes they are found."""

    def __init__(self, service):
        self.service = service
        self.secrets = {}
        self.clean = set()  # hashes of what was searched and need not be again

    def add(self, name, secret):
        self.clean.clear()
        self.secrets[name] = secret.encode() if isinstance(secret, str) else secret

    def look(self):
        """(role, name of the secret) → where."""
        words = {piece: name for name, secret in self.secrets.items() for piece in pieces(secret)}
        masked = {piece: name for name, secret in self.secrets.items()
                  for piece in pieces(unmasked(secret))}
        plain = re.compile(b"|".join(re.escape(word) for word in words))
        hidden = re.compile(b"|".join(re.escape(word) for word in masked))
        found = {}
        processes = {"supervisor": self.service.process.pid, **self.service.children()}
        for role, pid in processes.items():
            searched = 0
            for name, at, data in memory(pid):
                searched += len(data)
                if hash(data) in self.clean:
                    continue
                before = sum(map(len, found.values()))
                for match in plain.finditer(data):
                    where = f"{name or 'anonymous'} {at + match.start():x}"
                    found.setdefault((role, words[match.group()]), []).append(where)
                for match in hidden.finditer(unmasked(data)):
                    where = f"{name or 'anonymous'} {at + match.start():x} (masked or plain)"
                    found.setdefault((role, masked[match.group()]), []).append(where)
                if sum(map(len, found.values())) == before:
                    self.clean.add(hash(data))
            assert searched > 100 * 1024, f"no more than {searched} bytes of {role}"
        return found

    def expect_nothing(self, when, *allowed):
        found = {key: where for key, where in self.look().items() if key not in allowed}
        assert not found, f"{when}: " + "; ".join(
            f"{name} in {role} ({', '.join(where[:4])})" for (role, name), where in found.items())


# ---- what only insiders know


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def fields(data):
    """Field number → value of a protobuf message."""
    found, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(data):
        tag = number()
        value = number()
        if tag & 7 == 2:
            value, at = data[at:at + value], at + value
        found[tag >> 3] = value
    return found


def mailbox_secret(service, password):
    """Asks the directory as the command line would."""
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(60)
    link.connect(os.path.join(service.options["run_dir"], "directory.sock"))
    link.sendall(b"GET /link HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 b"Sec-WebSocket-Key: " + base64.b64encode(secrets.token_bytes(16)) +
                 b"\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: postkasse.1\r\n\r\n")
    stream = link.makefile("rb")
    while stream.readline().strip():
        pass

    def send(frame):
        mask = secrets.token_bytes(4)
        size = bytes([128 | len(frame)]) if len(frame) < 126 else b"\xfe" + struct.pack(">H", len(frame))
        link.sendall(b"\x82" + size + mask +
                     bytes(byte ^ mask[i % 4] for i, byte in enumerate(frame)))

    def receive():
        _, size = stream.read(2)
        return fields(stream.read(struct.unpack(">H", stream.read(2))[0] if size == 126 else size))
    send(field(1, 1) + field(15, field(1, 1) + field(2, "cli") + field(3, secrets.token_bytes(16))))
    assert receive()[1] == 1, "no hello"
    send(field(1, 2) + field(2, 1) + field(3, 2) + field(9, 1) +
         field(15, field(1, ADDRESS) + field(2, password) + field(3, "cli")))
    reply = receive()
    assert reply[1] == 7 and reply.get(7, 0) == 0, reply
    link.close()
    secret = fields(reply[15])[2]
    assert len(secret) == 32
    return secret


def data_key(service, password):
    """The key of the mailbox file, as anybody derives it who has the password."""
    path, = (path for path in service.files() if re.search(r"/mailboxes/../[0-9a-f]*\.sqlite$", path))
    with open(path, "rb") as file:
        salt = file.read(16)
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 64007, 32)


def add_password(search, name, password):
    """A password in all the ways in which it is sent."""
    search.add(name, password)
    search.add(f"{name} in PLAIN", base64.b64encode(f"\0{ADDRESS}\0{password}".encode())[28:])
    search.add(f"{name} in LOGIN", base64.b64encode(password.encode()))


# ---- clients


def plain(name, password):
    return lambda challenge: f"\0{name}\0{password}".encode()


def log_ins(service, password):
    """Every way to log in: its name, and a function that does it and returns the client."""
    def with_login(tls):
        return service.imap(ADDRESS, password, tls=tls)

    def with_literals(tls):
        client = service.imap(tls=tls)
        client.send(f"a LOGIN {{{len(ADDRESS)}+}}\r\n{ADDRESS} {{{len(password)}+}}\r\n{password}\r\n"
                    .encode())
        line = client.readline()
        if not line.startswith(b"a OK"):
            raise client.error(line)
        client.state = "AUTH"
        return client

    def with_plain(tls):
        client = service.imap(tls=tls)
        client.authenticate("PLAIN", plain(ADDRESS, password))
        return client

    def with_initial(tls):
        client = service.imap(tls=tls)
        response = base64.b64encode(f"\0{ADDRESS}\0{password}".encode()).decode()
        client.send(f"a AUTHENTICATE PLAIN {response}\r\n".encode())
        line = client.readline()
        if not line.startswith(b"a OK"):
            raise client.error(line)
        client.state = "AUTH"
        return client

    def with_sasl_login(tls):
        client = service.imap(tls=tls)
        words = [password, ADDRESS]
        client.authenticate("LOGIN", lambda challenge: words.pop().encode())
        return client

    def with_scram(tls):
        client = service.imap(tls=tls)
        channel = hashlib.sha256(client.sock.getpeercert(True)).digest() if tls else b""
        client.authenticate("SCRAM-SHA-256-PLUS" if tls else "SCRAM-SHA-256", Scram(
            password, "p=tls-server-end-point,," if tls else "n,,", channel))
        return client
    for way in (with_login, with_literals, with_plain, with_initial, with_sasl_login, with_scram):
        for tls in (False, True):
            name = way.__name__.replace("_", " ") + (" over TLS" if tls else " in clear")
            yield name, lambda way=way, tls=tls: way(tls)


class Prepared:
    """A service with a mailbox, one message in it, and its secrets known."""

    def __init__(self):
        self.service = Service({"mailbox_linger": "1s"})

    def __enter__(self):
        service = self.service.__enter__()
        try:
            self.search = Search(service)
            self.password = service.add_alias(ADDRESS)
            add_password(self.search, "password", self.password)
            self.search.add("data key", data_key(service, self.password))
            self.in_use = (("store", "data key"),)
            self.search.expect_nothing("after the mailbox was made", *self.in_use)
            self.search.add("mailbox secret", mailbox_secret(service, self.password))
            service.send(ADDRESS, message(1, "A test", "xylophonemarker in the text.\r\n" * 40))
        except BaseException:
            service.__exit__()
            raise
        return self

    def __exit__(self, *unused):
        self.service.__exit__()

    def closed(self, when):
        """Nobody is logged in, and mailbox_linger has passed: nothing is left at all."""
        self.service.wait_forgotten()
        self.search.expect_nothing(when)


def test_the_search_finds_what_is_there():
    with Prepared() as p:
        p.service.wait_forgotten()
        p.search.add("text", "xylophonemarker in the text.")
        p.search.add("address", ADDRESS)
        client = p.service.imap(ADDRESS, p.password)
        client.select("INBOX")
        assert b"xylophonemarker" in client.fetch("1", "(BODY[])")[1][0][1]
        found = p.search.look()
        assert ("store", "data key") in found, "the key of an open file"
        assert ("store", "text") in found or ("imap", "text") in found, "the text of a message"
        # What a peer sends over the link is found too, masked as it came: the name of a folder.
        p.search.add("folder", "quagmiremarkerzanzibar")
        client.create("quagmiremarkerzanzibar")
        assert ("store", "folder") in p.search.look(), "the name of a folder"
        client.logout()


def test_after_each_way_to_log_in():
    with Prepared() as p:
        for name, log_in in log_ins(p.service, p.password):
            client = log_in()
            p.search.expect_nothing(name, *p.in_use)
            assert client.select("INBOX")[1] == [b"1"]
            assert b"xylophonemarker" in client.fetch("1", "(BODY.PEEK[])")[1][0][1]
            client.logout()
        p.closed("after all of them")


def test_after_failed_logins():
    with Prepared() as p:
        wrong = secrets.token_urlsafe(24)
        add_password(p.search, "wrong password", wrong)
        for name, log_in in log_ins(p.service, wrong):
            client = None
            try:
                client = log_in()
            except p.service.imap_error:
                pass
            assert client is None, f"{name}: a wrong password was taken"
            p.search.expect_nothing(name, *p.in_use)
            p.service.stop()
            p.service.start()
        # Refused before anybody looks at it: too long, not in order, cut off, without end.
        for number, line in enumerate((
                f"a LOGIN {ADDRESS} {wrong}{wrong * 400}\r\n", f'a LOGIN {ADDRESS} "{wrong}\r\n',
                f"a LOGIN {ADDRESS} {wrong} {wrong}\r\n", f"LOGIN {wrong}\r\n", f"{wrong}\r\n",
                f"a LOGIN {ADDRESS} {{{len(wrong) * 9}}}\r\n", f"a LOGIN {ADDRESS} {wrong}")):
            for tls in (False, True):
                client = p.service.imap(tls=tls)
                ends = p.service.log_text().count("imap.disconnected")
                client.send(line.encode())
                if line.endswith("\n"):
                    client.readline()
                if line.endswith("}\r\n"):
                    client.send(wrong.encode() * 8)
                client.shutdown()
                wait_for(lambda: p.service.log_text().count("imap.disconnected") > ends, "the end")
                p.search.expect_nothing(f"refused line {number}", *p.in_use)
        p.closed("after all of them")


def test_after_commands():
    with Prepared() as p:
        def command(name, *arguments, current):
            made = p.service.json("password", *arguments, stdin=current + "\n")
            add_password(p.search, name, made["password"])
            p.search.expect_nothing(f"after password {arguments[0]}", *p.in_use)
            return made
        watching = p.service.imap(ADDRESS, p.password)
        app = command("app password", "app", ADDRESS, current=p.password)
        recovery = command("recovery code", "recovery", ADDRESS, current=app["password"])
        changed = command("new password", "new", ADDRESS, current=recovery["password"])
        p.search.add("new data key", data_key(p.service, changed["password"]))
        p.in_use += (("store", "new data key"),)
        p.search.expect_nothing("after the change", *p.in_use)
        p.service.run("password", "revoke", ADDRESS, str(app["slot"]))
        p.search.expect_nothing("after password revoke", *p.in_use)
        try:
            p.service.json("password", "app", ADDRESS, stdin=p.password + "\n")
        except Exception as refused:
            assert "wrong" in str(refused), refused
        else:
            raise AssertionError("the old password still works")
        p.search.expect_nothing("after a refused command", *p.in_use)
        try:
            watching.noop()
        except imaplib.IMAP4.abort as ended:
            assert "revoked" in str(ended), ended
        else:
            raise AssertionError("a session of the old password goes on")
        p.service.imap(ADDRESS, changed["password"]).logout()
        p.closed("after all of them")


def send_in_clear(service, password, sent, marker):
    with service.smtp() as smtp:
        smtp.sendmail("sender@example.org", [ADDRESS], sent)


def send_over_tls(service, password, sent, marker):
    with service.smtp() as smtp:
        smtp.starttls()
        smtp.sendmail("sender@example.org", [ADDRESS], sent)


def append_and_read(tls):
    def work(service, password, sent, marker):
        client = service.imap(ADDRESS, password, tls=tls)
        client.append("INBOX", None, None, sent)
        _, (count,) = client.select("INBOX")
        for items in ("(BODY.PEEK[])", "(BODY.PEEK[TEXT] PREVIEW ENVELOPE)"):
            status, data = client.fetch(count.decode(), items)
            assert status == "OK" and marker.encode() in b"".join(part[1] for part in data if len(part) == 2)
        assert client.search(None, "BODY", marker)[1] == [count]
        client.copy(count.decode(), "Archive")
        client.logout()
    return work


def mail_is_gone(binary):
    """A body that came by each way and was read, when its mailbox has been closed for a while; nothing that
    comes later helps to overwrite it."""
    # What src/base/overwrite.c does for a process without sanitizers, with them.
    sanitizers = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "max_free_fill_size=1073741824",
                                        "free_fill_byte=90", "quarantine_size_mb=4"]))
    options = {"mailbox_linger": "1s", "mailbox_handle_idle": "1s"}
    with Service(options=options, binary=binary, environment={"ASAN_OPTIONS": sanitizers}) as service:
        password = service.add_alias(ADDRESS)
        search = Search(service)
        rest = "".join(f"Line {number} of a body.\r\n" for number in range(2000))
        # The search finds what is worked on.
        marker = secrets.token_hex(24)
        search.add("a message on its way", marker)
        with service.smtp() as smtp:
            smtp.ehlo()
            smtp.mail("sender@example.org")
            smtp.rcpt(ADDRESS)
            smtp.putcmd("DATA")
            assert smtp.getreply()[0] == 354
            smtp.send(message(1, body=f"{marker}\r\n"))
            wait_for(lambda: ("smtp", "a message on its way") in search.look(), "the body to be worked on")
            smtp.send(b".\r\n")
            assert smtp.getreply()[0] == 250
        number = 2
        for way in (send_in_clear, send_over_tls, append_and_read(False), append_and_read(True)):
            # What the second leaves in place of the first is not all of it.
            for size, more in (("large", rest), ("small", "")):
                marker = secrets.token_hex(24)
                search.add(f"a {size} body, {number}", marker)
                way(service, password, message(number, body=f"{marker}\r\n{more}{marker}\r\n"), marker)
                number += 1
            service.wait_forgotten()
            wait_for(lambda: not search.look(), f"the bodies of {way.__name__} to be gone", 20)


def test_mail_is_gone_after_the_last_session():
    mail_is_gone(BINARY)


def test_mail_is_gone_from_what_is_installed():
    mail_is_gone(INSTALLED)


def test_every_library_frees_through_the_program():
    """Each call of free() and realloc(), from wherever in a process, is that of src/base/overwrite.c."""
    done = subprocess.run([INSTALLED, "--version"], capture_output=True, text=True, timeout=60,
                          env={"LD_BIND_NOW": "1", "LD_DEBUG": "bindings"})
    assert done.returncode == 0, done.stderr[-2000:]
    bound = re.findall(r"binding file (\S+) \[\d+\] to (\S+) \[\d+\]: \w+ symbol `(\w+)'", done.stderr)
    elsewhere = [line for line in bound if line[2] in ("free", "realloc") and line[1] != INSTALLED]
    assert not elsewhere, elsewhere
    for library in ("libc", "libcrypto", "libevent-2", "libprotobuf-c", "libzstd", "libicuuc", "libstdc++"):
        callers = [who for who, _, name in bound if name == "free"]
        assert any(os.path.basename(who).startswith(library + ".") for who in callers), (library, callers)
    assert (INSTALLED, INSTALLED, "free") in bound, "the program itself"


if __name__ == "__main__":
    Service.imap_error = imaplib.IMAP4.error
    Tap(globals()).main()
