#!/usr/bin/env python3
"""Every option of the program's own table, changed under a running service: SIGHUP brings the effect,
or the warning that a restart is needed. An option that this file does not know fails the test."""
import contextlib
import imaplib
import json
import os
import re
import select
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import Service, Tap, free_ports, message, wait_for  # noqa: E402

ADDRESS = "hello@example.test"

# What a restart is needed for, and a value that differs from the running one.
RESTARTS = {
    "data_dir": "/nonexistent/data", "run_dir": "/nonexistent/run",
    "host_key_file": "/nonexistent/key", "roles": "directory store imap",
    "smtp_listen": "127.0.0.1:1", "imap_listen": "127.0.0.1:2", "imaps_listen": "127.0.0.1:3",
    "store_listen": "127.0.0.1:4", "directory_listen": "127.0.0.1:5",
    "store_address": "127.0.0.1:6", "directory_address": "127.0.0.1:7",
    "smtp_processes": "3", "imap_processes": "3", "store_workers": "9", "uid_base": "65000",
    "smtp_memory_max": "3G", "imap_memory_max": "3G",
}
CHECKS = {}


def shows(*options):
    """Marks the function that changes these options and sees it."""
    def register(function):
        CHECKS.update({option: function for option in options})
        return function
    return register


def count(service, event):
    return service.log_text().count(f" event={event} ")


def reload(service, event="supervisor.reloaded", **options):
    service.options.update(options)
    service.write_config()
    before = count(service, event)
    service.process.send_signal(signal.SIGHUP)
    wait_for(lambda: count(service, event) > before, f"{event} with {options}")


@contextlib.contextmanager
def changed(service, **options):
    """Inside, the options have these values; afterwards those from before."""
    before = {name: service.options.get(name) for name in options}
    reload(service, **options)
    yield
    reload(service, **before)


def ends(client):
    """What is said until the connection ends."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(4096):
            said += piece
    return said


def connect(port, address="127.0.0.1"):
    return socket.create_connection((address, port), timeout=60)


FOR_STORE = ("-addext", "subjectAltName=IP:127.0.0.1,URI:postkasse:store")


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def presented(port, certificate=None, key=None):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(certificate, key)
    with connect(port) as raw, context.wrap_socket(raw) as tls:
        return tls.getpeercert(binary_form=True)


@shows("hostname")
def hostname(service):
    with changed(service, hostname="other.example.test"), connect(service.smtp_port) as client:
        assert b"other.example.test" in client.recv(1000)


@shows("tls_certificate_file", "tls_key_file")
def tls(service):
    key, fresh = service.options["tls_key_file"], os.path.join(service.folder, "fresh.pem")
    openssl("req", "-x509", "-key", key, "-days", "90", "-subj", "/CN=fresh", "-out", fresh)
    old = presented(service.imaps_port)
    with changed(service, tls_certificate_file=fresh):
        assert presented(service.imaps_port) != old
    assert presented(service.imaps_port) == old
    wrong = os.path.join(service.folder, "wrong.key")
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", wrong)
    reload(service, "supervisor.reload_failed", tls_key_file=wrong)
    reload(service, tls_key_file=key)


@shows("link_tls_certificate_file", "link_tls_key_file", "link_tls_ca_file", "link_allowed_addresses")
def links(service):
    mine = {name: service.options[f"link_tls_{name}_file"] for name in ("certificate", "key", "ca")}

    def shown():
        return presented(service.store_port, mine["certificate"], mine["key"])
    old = shown()
    fresh = os.path.join(service.folder, "link-fresh.pem")
    openssl("req", "-x509", "-key", mine["key"], "-days", "90", "-subj", "/CN=fresh", *FOR_STORE,
            "-out", fresh)
    with changed(service, link_tls_certificate_file=fresh):
        assert shown() != old
    wrong = os.path.join(service.folder, "wrong.key")
    reload(service, "supervisor.reload_failed", link_tls_key_file=wrong)
    reload(service, link_tls_key_file=mine["key"])
    with changed(service, link_allowed_addresses="10.9.8.7"):
        try:
            shown()
            raise AssertionError("a handshake from an address that is not on the list")
        except (ssl.SSLError, ConnectionError):
            pass
    assert shown() == old
    other = os.path.join(service.folder, "other-ca.pem")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "90", "-subj", "/CN=other", "-keyout", other + ".key", "-out", other)
    refused = count(service, "link.refused")

    def turned_away():
        """Once a second at most there is a line about it."""
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            shown()
        return count(service, "link.refused") > refused
    with changed(service, link_tls_ca_file=other):
        wait_for(turned_away, "the refusal")


@shows("auth_without_tls")
def auth_without_tls(service):
    with changed(service, auth_without_tls="no"):
        assert "LOGINDISABLED" in service.imap().capabilities
    assert "LOGINDISABLED" not in service.imap().capabilities


@shows("auth_without_tls_from")
def auth_without_tls_from(service):
    with changed(service, auth_without_tls="no", auth_without_tls_from="127.0.0.0/8"):
        assert "LOGINDISABLED" not in service.imap().capabilities


@shows("login_failures_max")
def login_failures_max(service):
    def wrong():
        start = time.monotonic()
        with contextlib.suppress(imaplib.IMAP4.error):
            service.imap(ADDRESS, "aaaaaa-aaaaaa-aaaaaa-aaaaaa-aaaaaa")
        return time.monotonic() - start
    with changed(service, login_failures_max="1"):
        wrong()
        wrong()
        assert wrong() >= 0.2


@shows("login_failures_window")
def login_failures_window(service):
    """A wrong login that counts is listed; when it does not any more, it is not."""
    def listed():
        return [row["address"] for row in service.json("login", "list")["failures"]]
    with changed(service, login_failures_max="1"):
        with contextlib.suppress(imaplib.IMAP4.error):
            service.imap("window@example.test", "aaaaaa-aaaaaa-aaaaaa-aaaaaa-aaaaaa")
        assert "window@example.test" in listed()
        with changed(service, login_failures_window="1s"):
            wait_for(lambda: "window@example.test" not in listed(), "the end of the window")


@shows("connections_per_mailbox")
def connections_per_mailbox(service):
    first = service.imap(ADDRESS, service.password)
    with changed(service, connections_per_mailbox="1"):
        try:
            service.imap(ADDRESS, service.password)
            raise AssertionError("a second session")
        except imaplib.IMAP4.error:
            pass
    first.logout()


@shows("message_size_max")
def message_size_max(service):
    """Raised: what is announced is taken, all the way into the store; lowered: it is not."""
    large = message(1, "Large", "x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 40000)
    with changed(service, message_size_max="8M"):
        with service.smtp() as client:
            client.ehlo()
            assert client.esmtp_features["size"] == str(8 << 20)
        service.send(ADDRESS, large)
        client = service.imap(ADDRESS, service.password)
        assert client.append("INBOX", "", None, large)[0] == "OK"
        client.logout()
    try:
        service.send(ADDRESS, large)
        raise AssertionError("larger than message_size_max")
    except smtplib.SMTPException:
        pass


def begin_chunk(client, size):
    """A BDAT of size bytes; it is answered once there is memory for it."""
    client.ehlo()
    client.mail("sender@example.org")
    client.rcpt(ADDRESS)
    client.send(b"BDAT %d\r\n" % size + b"x" * size)


@shows("smtp_memory_total")
def smtp_memory_total(service):
    """In a megabyte there is room for two of 500 KB, one past the total; a third waits, though
    others are served after it, until there is more."""
    with service.smtp() as first, service.smtp() as second, service.smtp() as third, \
            service.smtp() as fourth:
        reload(service, smtp_memory_total="1M")
        for client in (first, second):
            begin_chunk(client, 500_000)
            assert client.getreply()[0] == 250
        begin_chunk(third, 400_000)
        assert fourth.noop()[0] == 250
        assert not select.select([third.sock], [], [], 0)[0]
        reload(service, smtp_memory_total=None)
        assert third.getreply()[0] == 250


@shows("imap_memory_total")
def imap_memory_total(service):
    """Likewise; one mailbox has a quarter of it, and what is alone."""
    first, second, third = (service.imap(ADDRESS, service.password) for _ in range(3))
    reload(service, imap_memory_total="1M")
    first.send(b"x APPEND INBOX {900000}\r\n")
    assert first.readline() == b"+ OK\r\n"
    second.send(b"x APPEND INBOX {400000}\r\n")
    assert third.noop()[0] == "OK"
    assert not select.select([second.sock], [], [], 0)[0]
    reload(service, imap_memory_total=None)
    assert second.readline() == b"+ OK\r\n"
    for client in (first, second, third):
        client.shutdown()


def find(tree, name):
    """Every value of that name in what JSON has."""
    if isinstance(tree, dict):
        mine = [tree[name]] if name in tree else []
        return mine + find(list(tree.values()), name)
    return [value for each in tree for value in find(each, name)] if isinstance(tree, list) else []


@shows("disk_reserve")
def disk_reserve(service):
    """What the store keeps free, as it says itself; less than a sixteenth of the volume."""
    def kept():
        disks = json.loads(service.run("status", "--json", check=False).stdout)["disks"]
        return {disk["folder"]: disk["reserve_bytes"] for disk in disks}
    changes = {"mailboxes": 2 << 20, "temporary": 2 << 20, "directory": 0}
    assert kept() != changes, kept()
    with changed(service, disk_reserve="2M"):
        wait_for(lambda: kept() == changes, "the store's reserve")


@shows("disk_ballast")
def disk_ballast(service):
    """What the store occupies for when nothing is left."""
    path = service.data + "/mailboxes/ballast"

    def occupied():
        return os.stat(path).st_blocks * 512
    assert occupied() > 2 << 20, occupied()
    with changed(service, disk_ballast="2M"):
        wait_for(lambda: occupied() == 2 << 20, "the store's ballast")


@shows("quota")
def quota(service):
    with changed(service, quota="77M"):
        service.run("alias", "add", "quota@example.test")
        aliases = service.run("alias", "list", "--json").stdout
        assert str(77 << 20) in aliases, aliases


@shows("folder_drafts", "folder_sent", "folder_archive", "folder_junk", "folder_trash")
def folders(service):
    names = {f"folder_{role}": f"My {role}"
             for role in ("drafts", "sent", "archive", "junk", "trash")}
    with changed(service, **names):
        password = service.add_alias("folders@example.test")
        client = service.imap("folders@example.test", password)
        listed = b"\n".join(client.list()[1]).decode()
        assert all(name in listed for name in names.values()), listed
        client.logout()


@shows("recipients_max")
def recipients_max(service):
    with changed(service, recipients_max="1"), service.smtp() as client:
        client.ehlo()
        client.mail("sender@example.org")
        assert client.rcpt(ADDRESS)[0] == 250
        assert client.rcpt(ADDRESS.replace("@", "+x@"))[0] == 452


@shows("received_max")
def received_max(service):
    hops = [f"Received: from a{n}.example.org; Mon, 23 Nov 2026 10:00:00 +0000" for n in range(8)]
    looped = message(2, "Loop", headers=hops)
    service.send(ADDRESS, looped)
    with changed(service, received_max="5"):
        try:
            service.send(ADDRESS, looped)
            raise AssertionError("a loop went through")
        except smtplib.SMTPDataError as error:
            assert 500 <= error.smtp_code < 600, error


@shows("smtp_connections_max", "imap_connections_max")
def connections_max(service):
    with changed(service, smtp_connections_max="1", imap_connections_max="1"):
        for port, text in ((service.smtp_port, b"421"), (service.imap_port, b"* BYE")):
            with connect(port) as first:
                assert first.recv(1000)
                with connect(port) as second:
                    assert second.recv(1000).startswith(text)
            # The place is free again before the next one asks.
            wait_for(lambda p=port, t=text: greets(p, t), "a free place")


def greets(port, refusal, address="127.0.0.1"):
    with connect(port, address) as client:
        return not client.recv(1000).startswith(refusal)


@shows("smtp_connections_per_address", "imap_connections_per_address")
def connections_per_address(service):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return  # A machine with loopback only, which is not counted.
        mine = probe.getsockname()[0]
    with changed(service, smtp_connections_per_address="1", imap_connections_per_address="1"):
        for port, text in ((service.smtp_port, b"421"), (service.imap_port, b"* BYE")):
            with connect(port, mine) as first:
                assert first.recv(1000)
                with connect(port, mine) as second:
                    assert second.recv(1000).startswith(text)


@shows("smtp_timeout")
def smtp_timeout(service):
    with changed(service, smtp_timeout="1s"), connect(service.smtp_port) as client:
        assert b"421" in ends(client)


@shows("smtp_message_timeout")
def smtp_message_timeout(service):
    with changed(service, smtp_message_timeout="1s"), service.smtp() as client:
        client.ehlo()
        client.mail("sender@example.org")
        client.rcpt(ADDRESS)
        assert client.docmd("DATA")[0] == 354
        ends(client.sock)


@shows("smtp_errors_max")
def smtp_errors_max(service):
    with changed(service, smtp_errors_max="1"), connect(service.smtp_port) as client:
        client.sendall(b"PIGEON\r\nPIGEON\r\nPIGEON\r\n")
        assert b"421" in ends(client)


@shows("smtp_core_wait")
def smtp_core_wait(service):
    with changed(service, smtp_core_wait="100ms"):
        directory = service.children()["directory"]
        os.kill(directory, signal.SIGSTOP)
        try:
            with service.smtp() as client:
                client.ehlo()
                client.mail("sender@example.org")
                assert 400 <= client.rcpt("else@example.test")[0] < 500
        finally:
            os.kill(directory, signal.SIGCONT)


@shows("imap_core_wait")
def imap_core_wait(service):
    """With a store, then a directory that does not answer: commands and logins, which go on afterwards."""
    client = service.imap(ADDRESS, service.password)
    client.select("INBOX")
    client.append("INBOX", "", None, message(5))
    with changed(service, imap_core_wait="300ms"):
        store, directory = service.children()["store"], service.children()["directory"]
        for stopped in (store, directory):
            os.kill(stopped, signal.SIGSTOP)
            try:
                status, text = client.fetch("1", "(FLAGS)")
                assert (status == "NO" and b"[UNAVAILABLE]" in text[0]) == (stopped == store), text
                try:
                    service.imap(ADDRESS, service.password)
                    raise AssertionError("a login without its cores")
                except imaplib.IMAP4.error as error:
                    assert "[UNAVAILABLE]" in str(error), error
            finally:
                os.kill(stopped, signal.SIGCONT)
    assert client.fetch("1", "(FLAGS)")[0] == "OK"
    service.imap(ADDRESS, service.password).logout()
    client.logout()


@shows("imap_login_timeout")
def imap_login_timeout(service):
    with changed(service, imap_login_timeout="1s"), connect(service.imap_port) as client:
        assert b"* BYE" in ends(client)


@shows("imap_idle_interval")
def imap_idle_interval(service):
    with changed(service, imap_idle_interval="200ms"):
        client = service.imap(ADDRESS, service.password)
        client.send(b"x IDLE\r\n")
        assert client.readline().startswith(b"+")
        assert client.readline() == b"* OK Still here\r\n"
        client.shutdown()


@shows("imap_idle_timeout")
def imap_idle_timeout(service):
    with changed(service, imap_idle_timeout="1s"):
        client = service.imap(ADDRESS, service.password)
        assert b"* BYE" in ends(client.sock)


def has_wal(service):
    return any("/mailboxes/" in path and path.endswith("-wal") for path in service.files())


@shows("mailbox_handle_idle")
def mailbox_handle_idle(service):
    client = service.imap(ADDRESS, service.password)
    client.append("INBOX", "", None, message(3))
    assert has_wal(service)
    with changed(service, mailbox_handle_idle="1s"):
        wait_for(lambda: not has_wal(service), "the handle to be given back")
    client.logout()


@shows("mailbox_linger")
def mailbox_linger(service):
    client = service.imap(ADDRESS, service.password)
    client.append("INBOX", "", None, message(4))
    client.logout()
    assert has_wal(service)
    with changed(service, mailbox_linger="0s"):
        service.wait_forgotten()


class Dawdler:
    """Sends a message byte by byte, from before the checks that would end it in another way."""

    def __init__(self, service):
        self.client = service.smtp(timeout=120)
        self.client.ehlo()
        self.client.mail("sender@example.org")
        self.client.rcpt(ADDRESS)
        assert self.client.docmd("DATA")[0] == 354
        self.over = threading.Event()
        threading.Thread(target=self.dawdle, daemon=True).start()

    def dawdle(self):
        with contextlib.suppress(OSError):
            while not self.over.wait(0.2):
                self.client.sock.sendall(b"x")


@shows("message_rate_min")
def message_rate_min(service):
    """As soon as its minute is over."""
    with changed(service, message_rate_min="1K"):
        assert b"421 4.4.2" in ends(service.dawdler.client.sock)
    service.dawdler.over.set()


@shows("log_level")
def log_level(service):
    """At "error" a reload is silent: the one line that comes is that of the way back."""
    before = count(service, "supervisor.reloaded")
    service.options["log_level"] = "error"
    service.write_config()
    service.process.send_signal(signal.SIGHUP)
    # Something that only the reloaded configuration does shows that it is through.
    service.options["hostname"] = "quiet.example.test"
    service.write_config()
    service.process.send_signal(signal.SIGHUP)

    def quiet():
        with connect(service.smtp_port) as client:
            return b"quiet.example.test" in client.recv(1000)
    wait_for(quiet, "the new name")
    reload(service, log_level="debug", hostname="mail.example.test")
    assert count(service, "supervisor.reloaded") == before + 1


@shows("stop_grace")
def stop_grace(service):
    """The last one: a process that does not answer is waited for no longer than this."""
    reload(service, stop_grace="100ms")
    smtp = service.children()["smtp"]
    os.kill(smtp, signal.SIGSTOP)
    service.stop()
    assert re.search(r"event=supervisor.killed process=smtp", service.log_text())


def make_links(folder):
    made = {name: os.path.join(folder, f"link-{name}.pem") for name in ("certificate", "key", "ca")}
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
            "90", "-subj", "/CN=link", *FOR_STORE, "-keyout", made["key"], "-out",
            made["certificate"])
    os.chmod(made["key"], 0o600)
    with open(made["certificate"], "rb") as source, open(made["ca"], "wb") as target:
        target.write(source.read())
    return {f"link_tls_{name}_file": path for name, path in made.items()}


def serve():
    store_port, = free_ports(1)
    service = Service(start=False)
    service.store_port = store_port
    service.options.update(make_links(service.folder))
    service.options.update({
        "store_listen": f"127.0.0.1:{store_port}", "link_allowed_addresses": "127.0.0.1",
        "smtp_listen": f"0.0.0.0:{service.smtp_port}", "imap_listen": f"0.0.0.0:{service.imap_port}",
        # Far from what the checks need, so that none passes without its change.
        "message_size_max": "1M", "mailbox_linger": "1h", "mailbox_handle_idle": "1h",
        "stop_grace": "1h", "message_rate_min": "0", "smtp_core_wait": "5m", "imap_core_wait": "5m",
    })
    service.write_config()
    service.start()
    service.password = service.add_alias(ADDRESS)
    return service


def test_every_option_takes_effect_or_is_warned_of():
    with serve() as service:
        table = service.json("config", "print")
        options, restarts = set(table["options"]), set(table["needs_restart"])
        assert restarts == set(RESTARTS), restarts ^ set(RESTARTS)
        known = restarts | set(CHECKS)
        assert options == known, options ^ known
        before = dict(service.options)
        reload(service, **RESTARTS)
        named = set(re.findall(r"event=supervisor.reload_needs_restart option=(\w+)",
                               service.log_text()))
        assert named == restarts, named ^ restarts
        service.options = before
        reload(service)
        pids = service.children()
        checks = list(dict.fromkeys(CHECKS.values()))
        for check in checks:
            assert check is not stop_grace or check is checks[-1]
            if check is smtp_timeout:  # The last that counts connections is through.
                service.dawdler = Dawdler(service)
            start = time.monotonic()
            try:
                if check is stop_grace:
                    assert service.children() == pids
                check(service)
            except BaseException as error:
                raise AssertionError(check.__name__) from error
            print(f"# {check.__name__} {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    Tap(globals()).main()
