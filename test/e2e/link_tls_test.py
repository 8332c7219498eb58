#!/usr/bin/env python3
"""Fronts on one host, cores on another, mutual TLS between them, and the link cut at bad moments.

The two hosts are two services with their own folders; a relay on 127.0.0.2 stands for the network and can
be cut. A third service shows that a wrong authority and a foreign address get nowhere.
"""
import contextlib
import hashlib
import imaplib
import json
import os
import re
import signal
import smtplib
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import BINARY, ROOT, Service, Tap, free_ports, message, wait_for  # noqa: E402

ADDRESS = "hello@example.test"


class Relay:
    """Forwards TCP; cut() drops every connection and refuses new ones until mend()."""

    def __init__(self, target):
        self.target = target
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.2", 0))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        self.connections = []
        self.is_cut = False
        self.upstream = self.downstream = 0
        self.cut_after = None  # (attribute, bytes): cuts by itself when that much has passed
        self.cuts = self.refused = 0
        self.lock = threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if self.is_cut:
                self.refused += 1
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            with self.lock:
                self.connections += [near, far]
            for source, sink, counter in ((near, far, "upstream"), (far, near, "downstream")):
                threading.Thread(target=self.pump, args=(source, sink, counter), daemon=True).start()

    def pump(self, source, sink, counter):
        try:
            while True:
                piece = source.recv(65536)
                if not piece:
                    break
                sink.sendall(piece)
                setattr(self, counter, getattr(self, counter) + len(piece))
                if self.cut_after and self.cut_after[0] == counter \
                        and getattr(self, counter) >= self.cut_after[1]:
                    self.cut()
        except OSError:
            pass
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        with self.lock:
            self.is_cut, self.cut_after = True, None
            self.cuts += 1
            for connection in self.connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                connection.close()
            self.connections = []

    def mend(self):
        self.is_cut = False

    @contextlib.contextmanager
    def cut_in_the_middle(self, counter, size):
        """Cuts when size more bytes have passed that way, and mends once the front has tried to come
        back and was refused; the work inside must have been cut."""
        cuts, refused = self.cuts, self.refused
        self.cut_after = (counter, getattr(self, counter) + size)

        def mend():
            wait_for(lambda: self.cuts > cuts and self.refused > refused, "the cut")
            self.mend()
        mender = threading.Thread(target=mend, daemon=True)
        mender.start()
        yield
        mender.join()
        assert self.cuts > cuts


def recipe():
    """The commands of doc/operations.md, which are what is tested."""
    with open(os.path.join(ROOT, "doc", "operations.md"), encoding="utf-8") as file:
        text = file.read().split("### Certificates for links", 1)[1]
    return text.split("```sh\n", 1)[1].split("```", 1)[0]


def run(commands, folder):
    path = os.path.dirname(BINARY) + ":" + os.environ["PATH"]
    subprocess.run(["sh", "-e", "-c", commands], check=True, capture_output=True, cwd=folder,
                   env=dict(os.environ, PATH=path))


def certificates_of(folder, name):
    """The options of the host of that name."""
    return {
        "link_tls_certificate_file": os.path.join(folder, f"links/{name}.example.org.pem"),
        "link_tls_key_file": os.path.join(folder, f"links/{name}.example.org.key"),
        "link_tls_ca_file": os.path.join(folder, "links/ca.pem"),
    }


class Authority:
    """What doc/operations.md makes, for what the hosts of this test have: fronts connect to 127.0.0.2,
    and come from 127.0.0.1."""

    def __init__(self, folder, name):
        self.folder = os.path.join(folder, name)
        os.mkdir(self.folder)
        commands = recipe()
        for theirs, ours in (("192.0.2.10", "127.0.0.2"), ("192.0.2.20", "127.0.0.1")):
            assert theirs in commands
            commands = commands.replace(theirs, ours)
        run(commands, self.folder)
        self.cores = certificates_of(self.folder, "mail")
        self.fronts = certificates_of(self.folder, "mx1")

    def make(self, host, addresses, roles):
        run(f"postkasse link certificate links {host}.example.org {addresses} --role {roles}",
            self.folder)
        return certificates_of(self.folder, host)


class Hosts:
    def __init__(self):
        store_port, directory_port = free_ports(2)
        import tempfile
        self.folder = tempfile.TemporaryDirectory(prefix="postkasse-test-ca-")
        good = Authority(self.folder.name, "good")
        self.bad = Authority(self.folder.name, "bad")
        self.cores = Service({
            "roles": "directory store", "mailbox_linger": "0s", "store_listen": f"127.0.0.1:{store_port}",
            "directory_listen": f"127.0.0.1:{directory_port}",
            "link_allowed_addresses": "127.0.0.1", **good.cores})
        self.store = Relay(store_port)
        self.directory = Relay(directory_port)
        self.ports = (store_port, directory_port)
        self.good = good
        self.fronts = self.make_fronts(good.fronts)
        self.password = self.cores.add_alias(ADDRESS)

    def make_fronts(self, certificates, **more):
        return Service({
            "roles": "imap smtp", "store_address": f"127.0.0.2:{self.store.port}",
            "directory_address": f"127.0.0.2:{self.directory.port}", **certificates, **more},
            domain=None)

    def stop(self):
        self.fronts.stop()
        self.cores.stop()


HOSTS = Hosts()


def big_message(size, seed):
    import random
    rng = random.Random(seed)
    words = ["".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randrange(3, 9)))
             for _ in range(5000)]
    lines = []
    total = 0
    while total < size:
        line = " ".join(rng.choice(words) for _ in range(11))
        lines.append(line)
        total += len(line) + 2
    return message(seed, f"Big {seed}", "\r\n".join(lines) + "\r\n")


def test_mail_goes_through_hosts_that_share_nothing_but_the_link():
    sent = message(1, "Far away")
    HOSTS.fronts.send(ADDRESS, sent)
    client = HOSTS.fronts.imap(ADDRESS, HOSTS.password)
    assert client.select("INBOX")[1] == [b"1"]
    assert client.fetch("1", "(BODY.PEEK[])")[1][0][1].endswith(sent)
    client.logout()


def test_a_fetch_goes_on_after_a_cut():
    sent = big_message(12_000_000, 2)
    client = HOSTS.fronts.imap(ADDRESS, HOSTS.password)
    assert client.append("Archive", "", None, sent)[0] == "OK"
    assert client.append("Archive", "", None, message(3, "After it"))[0] == "OK"
    client.select("Archive")
    with HOSTS.store.cut_in_the_middle("downstream", 3_000_000):
        data = client.fetch("1:2", "(BODY.PEEK[])")[1]
    bodies = [item[1] for item in data if isinstance(item, tuple)]
    assert [hashlib.sha256(b).hexdigest() for b in bodies] == \
        [hashlib.sha256(b).hexdigest() for b in (sent, message(3, "After it"))], \
        [len(b) for b in bodies]
    client.logout()


def test_a_delivery_goes_on_after_a_cut_and_appears_once():
    for seed, online in ((4, False), (5, True)):
        sent = big_message(6_000_000, seed)
        watcher = None
        if not online:
            HOSTS.cores.wait_forgotten()
        else:
            watcher = HOSTS.fronts.imap(ADDRESS, HOSTS.password)
            watcher.select("INBOX")
        with HOSTS.store.cut_in_the_middle("upstream", 2_000_000):
            HOSTS.fronts.send(ADDRESS, sent)
        waits = any("/temporary/" in path and path.endswith(".sqlite") for path in HOSTS.cores.files())
        assert waits == (not online), "sealed while the owner is away, and only then"
        client = HOSTS.fronts.imap(ADDRESS, HOSTS.password)
        client.select("INBOX")
        found = client.search(None, "SUBJECT", f'"Big {seed}"')[1][0].split()
        assert len(found) == 1, found
        raw = client.fetch(found[0], "(BODY.PEEK[])")[1][0][1]
        assert raw.endswith(sent)
        client.logout()
        if watcher:
            watcher.logout()


def test_an_append_goes_on_after_a_cut_and_appears_once():
    sent = big_message(6_000_000, 6)
    client = HOSTS.fronts.imap(ADDRESS, HOSTS.password)
    with HOSTS.store.cut_in_the_middle("upstream", 2_000_000):
        status, data = client.append("Drafts", "", None, sent)
    assert status == "OK", data
    client.select("Drafts")
    assert len(client.search(None, "SUBJECT", '"Big 6"')[1][0].split()) == 1
    client.logout()


def refused(certificates):
    """A host of fronts that shows them gets no link; what the log says of that is returned."""
    wrong = HOSTS.make_fronts(certificates, smtp_core_wait="1s")
    try:
        with wrong.smtp() as client:
            client.ehlo()
            client.mail("sender@example.org")
            code, _ = client.rcpt(ADDRESS)
            assert 400 <= code < 500, code
        return wrong.log_text()
    finally:
        wrong.stop()


def set_waits(wait):
    HOSTS.fronts.options.update({"smtp_core_wait": wait, "imap_core_wait": wait})
    HOSTS.fronts.write_config()
    reload(HOSTS.fronts)


def refused_within(seconds, work):
    """work answers what a client reads; after how long that client was refused, for the time being."""
    start = time.monotonic()
    try:
        answer = work()
    except (imaplib.IMAP4.error, smtplib.SMTPException) as error:
        answer = str(error)
    assert "[UNAVAILABLE]" in str(answer) or "451" in str(answer), answer
    assert time.monotonic() - start < seconds, time.monotonic() - start


def ten_recipients():
    """All in one go; the answer for the message is that of the transaction."""
    with HOSTS.fronts.smtp() as client:
        client.ehlo()
        recipients = b"".join(b"RCPT TO:<hello+%d@example.test>\r\n" % n for n in range(10))
        client.send(b"MAIL FROM:<sender@example.org>\r\n" + recipients + b"DATA\r\n")
        answers = [client.getreply()[0] for _ in range(12)]
        assert answers == [250] + [451] * 11, answers
        return answers[-1]


def test_an_outage_has_one_deadline_a_command():
    """Both cores away: ten recipients, a login, two commands each have one wait, and nobody is refused
    for good; who waits when they come back is served, once."""
    client = HOSTS.fronts.imap(ADDRESS, HOSTS.password)
    client.append("Drafts", "", None, message(69))
    client.select("Drafts")
    set_waits("1s")
    before = lost(HOSTS.fronts)
    HOSTS.store.cut()
    HOSTS.directory.cut()
    wait_for(lambda: lost(HOSTS.fronts) >= before + 4, "the fronts to notice")
    refused_within(6, ten_recipients)
    refused_within(6, lambda: HOSTS.fronts.imap(ADDRESS, HOSTS.password))
    refused_within(6, lambda: client.fetch("1:*", "(FLAGS)"))
    refused_within(6, lambda: client.append("Outage", "", None, message(70, "Not taken")))
    set_waits("5m")
    results = {}

    def login():
        results["login"] = HOSTS.fronts.imap(ADDRESS, HOSTS.password)

    def deliver():
        HOSTS.fronts.send(ADDRESS, message(71, "In an outage"))
        results["delivery"] = True

    def append():
        results["append"] = client.append("Archive", "", None, message(72, "In an outage"))
    waiting = [threading.Thread(target=work) for work in (login, deliver, append)]
    for thread in waiting:
        thread.start()
    refused = HOSTS.directory.refused, HOSTS.store.refused
    wait_for(lambda: HOSTS.directory.refused > refused[0] + 2 and HOSTS.store.refused > refused[1] + 2,
             "some tries")
    assert not results
    HOSTS.store.mend()
    HOSTS.directory.mend()
    for thread in waiting:
        thread.join()
    assert results["append"][0] == "OK" and results["delivery"]
    for folder in ("INBOX", "Archive"):
        results["login"].select(folder)
        found = results["login"].search(None, "SUBJECT", '"In an outage"')[1][0].split()
        assert len(found) == 1, (folder, found)
    for each in (client, results["login"]):
        each.logout()


def test_a_wrong_authority_gets_no_link():
    refused(HOSTS.bad.fronts)


def test_a_certificate_serves_its_own_host_and_roles_only():
    before = HOSTS.cores.log_text().count("the certificate is for other addresses")
    refused(HOSTS.good.make("elsewhere", "192.0.2.77", "imap,smtp"))
    wait_for(lambda: HOSTS.cores.log_text().count("the certificate is for other addresses") > before,
             "the refusal")
    # A host whose own certificate lacks a role does not start, and says so.
    try:
        refused(HOSTS.good.make("half", "127.0.0.1", "smtp"))
    except AssertionError as error:
        assert "not for the role imap" in str(error), error
    else:
        raise AssertionError("a host started without a certificate for its role")


def test_an_address_that_is_not_allowed_gets_no_handshake():
    import ssl
    s = socket.create_connection(("127.0.0.1", HOSTS.ports[0]), source_address=("127.0.0.3", 0))
    context = ssl.create_default_context(cafile=HOSTS.good.fronts["link_tls_ca_file"])
    context.check_hostname = False
    context.load_cert_chain(HOSTS.good.fronts["link_tls_certificate_file"],
                            HOSTS.good.fronts["link_tls_key_file"])
    try:
        context.wrap_socket(s)
        raise AssertionError("a foreign address got a handshake")
    except (ssl.SSLError, ConnectionError):
        pass
    finally:
        s.close()


def reload(service):
    done = service.log_text().count(" event=supervisor.reloaded ")
    service.process.send_signal(signal.SIGHUP)
    wait_for(lambda: service.log_text().count(" event=supervisor.reloaded ") > done, "the reload")


def lost(service):
    return service.log_text().count(" event=link.lost ")


def test_new_certificates_serve_the_links_to_come():
    """SIGHUP on both hosts, then a cut: the links come back over certificates of another authority."""
    fresh = Authority(HOSTS.folder.name, "fresh")
    client = HOSTS.fronts.imap(ADDRESS, HOSTS.password)
    pids = {**HOSTS.cores.children(), **HOSTS.fronts.children()}
    for service, options in ((HOSTS.cores, fresh.cores), (HOSTS.fronts, fresh.fronts)):
        service.options.update(options)
        service.write_config()
        reload(service)
    assert client.select("INBOX")[0] == "OK"
    for relay in (HOSTS.store, HOSTS.directory):
        relay.cut()
        relay.mend()
    assert client.select("Archive")[0] == "OK"
    client.logout()
    sent = message(7, "Fresh")
    HOSTS.fronts.send(ADDRESS, sent)
    # Who still has the old ones is nobody any more, until the next reload.
    HOSTS.fronts.options.update(HOSTS.good.fronts)
    HOSTS.fronts.write_config()
    reload(HOSTS.fronts)
    refused = HOSTS.cores.log_text().count(" event=link.refused ")
    HOSTS.store.cut()
    HOSTS.store.mend()
    wait_for(lambda: HOSTS.cores.log_text().count(" event=link.refused ") > refused, "the refusal")
    for service, options in ((HOSTS.cores, HOSTS.good.cores), (HOSTS.fronts, HOSTS.good.fronts)):
        service.options.update(options)
        service.write_config()
        reload(service)
    client = HOSTS.fronts.imap(ADDRESS, HOSTS.password)
    client.logout()
    assert {**HOSTS.cores.children(), **HOSTS.fronts.children()} == pids


def test_another_authority_step_by_step():
    """As doc/operations.md says; after each step on each host new links can be made."""
    mine = HOSTS.good
    makes_both = [line.replace("192.0.2.10", "127.0.0.2").replace("192.0.2.20", "127.0.0.1")
                  for line in recipe().splitlines() if "link certificate" in line]
    assert len(makes_both) == 2

    def certificates():
        found = []
        for options in (mine.cores, mine.fronts):
            with open(options["link_tls_certificate_file"], encoding="ascii") as file:
                found.append(file.read())
        return found
    old = certificates()
    for step in (["postkasse link authority links --next"], makes_both,
                 ["postkasse link authority links --retire"]):
        run("\n".join(step), mine.folder)
        for service in (HOSTS.cores, HOSTS.fronts):
            reload(service)
            for relay in (HOSTS.store, HOSTS.directory):
                relay.cut()
                relay.mend()
            client = HOSTS.fronts.imap(ADDRESS, HOSTS.password)
            assert client.select("INBOX")[0] == "OK"
            client.logout()
    # What the old one signed is believed no longer.
    stale = os.path.join(mine.folder, "stale.pem")
    with open(stale, "w", encoding="ascii") as file:
        file.write(old[1])
    assert old[1] != certificates()[1]
    with open(mine.fronts["link_tls_ca_file"], encoding="ascii") as file:
        assert file.read().count("BEGIN CERTIFICATE") == 1
    done = subprocess.run(["openssl", "verify", "-CAfile", mine.fronts["link_tls_ca_file"], stale],
                          capture_output=True, text=True)
    assert done.returncode != 0, done.stdout


def test_an_address_that_is_taken_off_the_list_is_sent_away():
    # Afterwards all links are up again.
    HOSTS.fronts.imap(ADDRESS, HOSTS.password).logout()
    HOSTS.fronts.send(ADDRESS, message(8, "Linked"))
    count = lost(HOSTS.fronts)
    HOSTS.cores.options["link_allowed_addresses"] = "10.9.8.7"
    HOSTS.cores.write_config()
    reload(HOSTS.cores)
    # Two processes with two links each.
    wait_for(lambda: lost(HOSTS.fronts) >= count + 4, "the end of the links")
    HOSTS.cores.options["link_allowed_addresses"] = "10.9.8.7, 127.0.0.0/8"
    HOSTS.cores.write_config()
    reload(HOSTS.cores)
    client = HOSTS.fronts.imap(ADDRESS, HOSTS.password)
    assert client.select("INBOX")[0] == "OK"
    client.logout()
    HOSTS.cores.options["link_allowed_addresses"] = "127.0.0.1"
    HOSTS.cores.write_config()
    reload(HOSTS.cores)


def test_the_log_names_address_and_core():
    # What a process logs reaches the file through the supervisor.
    wait_for(lambda: re.search(r'link\.refused address="?127\.0\.0\.[13]', HOSTS.cores.log_text()),
             "the refusal in the log")
    fronts, cores = HOSTS.fronts.log_text(), HOSTS.cores.log_text()
    for core, port in (("store", HOSTS.store.port), ("directory", HOSTS.directory.port)):
        assert re.search(rf'link\.connected core={core} address="?127\.0\.0\.2:{port}"? ', fronts), fronts
    where = rf'core=store address="?127\.0\.0\.2:{HOSTS.store.port}"? '
    for event in ("lost", "unreachable"):
        assert re.search(rf"link\.{event} {where}", fronts), fronts
    for event in ("peer_up", "peer_down"):
        assert re.search(rf'link\.{event} peer=smtp address="?127\.0\.0\.1:\d+"? ', cores), cores
    # At most one a second: which of those who were refused above it names is chance.
    assert re.search(r'link\.refused address="?127\.0\.0\.[13]:\d+"? ', cores), cores


def test_status_of_a_host_of_fronts():
    """It knows nothing of mailboxes, but which links are up, to where; a cut one is a problem."""
    def links(code):
        done = HOSTS.fronts.run("status", "--json", check=False)
        seen = json.loads(done.stdout)
        assert (done.returncode == 1) == (seen["health"] == "degraded"), seen
        return done.returncode == code and {(row["kind"], row["core"]): row for row in seen["links"]}

    seen = wait_for(lambda: links(0), "all links")
    assert seen["imap", "store"]["address"] == f"127.0.0.2:{HOSTS.store.port}", seen
    assert all(row["up"] for row in seen.values()) and len(seen) == 4, seen
    peers = [row for row in HOSTS.cores.json("status")["peers"] if row["role"] != "store"]
    assert all(row["address"].startswith("127.0.0.1:") for row in peers) and len(peers) == 4, peers
    HOSTS.store.cut()
    wait_for(lambda: (found := links(1)) and not found["imap", "store"]["up"] and
             found["imap", "directory"]["up"], "the cut to be seen")
    HOSTS.store.mend()
    wait_for(lambda: links(0), "the links again")


def test_a_host_of_fronts_stops_at_once():
    start = time.monotonic()
    assert HOSTS.fronts.stop() == 0
    assert time.monotonic() - start < 5, "it waited for cores that are not there"
    HOSTS.fronts.start()


if __name__ == "__main__":
    try:
        Tap(globals()).main()
    finally:
        HOSTS.stop()
