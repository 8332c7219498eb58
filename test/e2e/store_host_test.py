#!/usr/bin/env python3
"""A store on a host of its own, the directory and the fronts on another: what was made on one host is parted
between two, mail comes in and is read over the links, and a mailbox file that went back is found over them."""
import imaplib
import json
import os
import shutil
import smtplib
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import BINARY, Service, Tap, free_ports, message, wait_for  # noqa: E402

ADDRESS = "hello@example.test"
UNSUPPORTED = 76
# Each is reached there; all of them come from 127.0.0.1, as everything on this machine does.
DIRECTORY, STORE = "127.0.0.3", "127.0.0.2"


def certificates(folder):
    """Made as doc/operations.md says; returns the options of both hosts."""
    links = os.path.join(folder, "links")

    def link(*words):
        subprocess.run([BINARY, "link", *words], check=True, capture_output=True)

    link("authority", links)
    found = {}
    for host, address, roles in (("one", DIRECTORY, "directory,imap,smtp"), ("two", STORE, "store")):
        link("certificate", links, host, address, "127.0.0.1", "--role", roles)
        found[host] = {"link_tls_certificate_file": os.path.join(links, host + ".pem"),
                       "link_tls_key_file": os.path.join(links, host + ".key"),
                       "link_tls_ca_file": os.path.join(links, "ca.pem"),
                       "link_allowed_addresses": "127.0.0.1"}
    return found


def move(source, target, *names):
    for name in names:
        os.rename(os.path.join(source, name), os.path.join(target, name))


class Hosts:
    def __init__(self, folder):
        self.folders = {name: os.path.join(folder, name) for name in ("one", "two")}
        os.chmod(folder, 0o755)
        os.mkdir(self.folders["two"])
        with Service(folder=self.make("one"), options={"mailbox_linger": "0s"}) as whole:
            self.password = whole.add_alias(ADDRESS)
            client = whole.imap(ADDRESS, self.password)
            for number in range(3):
                whole.send(ADDRESS, message(number))
            client.logout()
            whole.send(ADDRESS, message(3))  # waits, and moves along
            assert whole.stop() == 0
        data = os.path.join(self.folders["two"], "data")
        os.mkdir(data)
        shutil.copystat(whole.data, data)
        move(whole.data, data, "mailboxes", "temporary")
        shutil.copy2(os.path.join(whole.data, "installation"), data)
        for name in ("host.key", "tls.pem", "tls.key"):
            shutil.copy2(os.path.join(self.folders["one"], name), self.folders["two"])
        store_port, directory_port = free_ports(2)
        options = certificates(folder)
        self.one = Service(folder=self.folders["one"], start=False, options={
            "roles": "directory imap smtp", "directory_listen": f"{DIRECTORY}:{directory_port}",
            "store_address": f"{STORE}:{store_port}", "smtp_core_wait": "2s", "imap_core_wait": "2s", **options["one"]})
        self.two = Service(folder=self.folders["two"], start=False, options={
            "roles": "store", "store_listen": f"{STORE}:{store_port}", "mailbox_linger": "0s",
            "directory_address": f"{DIRECTORY}:{directory_port}", **options["two"]})

    def make(self, name):
        os.mkdir(self.folders[name])
        return self.folders[name]

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.one.stop()
        self.two.stop()

    def count(self):
        client = self.one.imap(ADDRESS, self.password)
        try:
            number = int(client.select()[1][0])
            for _, text in (answer for answer in client.fetch("1:*", "(BODY.PEEK[])")[1]
                            if isinstance(answer, tuple)):
                assert text.endswith(b"Hello.\r\n"), text
            return number
        finally:
            client.logout()

    def mailbox(self):
        [path] = [path for path in self.two.files() if "/mailboxes/" in path and path.endswith(".sqlite")]
        return path


def linked(service):
    links = json.loads(service.run("status", "--json", check=False).stdout)["links"]
    return links and all(link["up"] for link in links)


def test_a_store_on_a_host_of_its_own():
    with tempfile.TemporaryDirectory(prefix="postkasse-test-") as folder, Hosts(folder) as hosts:
        for host in (hosts.one, hosts.two):
            assert host.run("config", "check").stdout
            host.start()
        wait_for(lambda: linked(hosts.one) and linked(hosts.two), "the links")
        assert hosts.count() == 4
        hosts.one.send(ADDRESS, message(4))
        assert hosts.count() == 5
        # Neither can be administered there, and says so; nothing is made on the way.
        for host in (hosts.one, hosts.two):
            for command in (("alias", "add", "new@example.test"), ("domain", "list"), ("session", "list"),
                            ("password", "list", ADDRESS), ("login", "list"), ("mailbox", "list"),
                            ("mailbox", "accept", ADDRESS), ("init", "--alias", "new@example.test")):
                done = host.run(*command, check=False)
                assert done.returncode == UNSUPPORTED, done
                assert "host of the directory and the store" in done.stderr, done
        assert not os.path.exists(os.path.join(hosts.two.data, "directory"))
        went_back(hosts)
        without_the_directory(hosts)
        assert hosts.one.stop() == 0 and hosts.two.stop() == 0


def went_back(hosts):
    hosts.two.stop()
    path = hosts.mailbox()
    shutil.copy2(path, path + ".old")
    hosts.two.start()
    wait_for(lambda: linked(hosts.one) and linked(hosts.two), "the links")
    client = hosts.one.imap(ADDRESS, hosts.password)
    hosts.one.send(ADDRESS, message(5))
    client.logout()
    hosts.two.stop()
    shutil.copy2(path, path + ".new")
    shutil.copy2(path + ".old", path)
    hosts.two.start()
    wait_for(lambda: linked(hosts.one) and linked(hosts.two), "the links")
    client = hosts.one.imap()
    try:
        client.login(ADDRESS, hosts.password)
    except imaplib.IMAP4.error as error:
        assert "[CORRUPTION]" in str(error), error
    else:
        raise AssertionError("served from a file that has less than was acknowledged")
    finally:
        client.shutdown()
    wait_for(lambda: "event=store.rolled_back" in hosts.two.log_text(), "the rollback in the store's log")
    done = hosts.two.run("status", check=False)
    assert done.returncode == 1 and "less than was acknowledged" in done.stdout, done
    seen = json.loads(hosts.two.run("status", "--json", check=False).stdout)
    assert [row["mailbox"] for row in seen["refused"]] == [os.path.basename(path).split(".")[0]], seen
    assert seen["health"] == "degraded" and any("less than was" in text for text in seen["problems"]), seen
    hosts.one.send(ADDRESS, message(6))  # waits, sealed
    hosts.two.stop()
    shutil.copy2(path + ".new", path)
    hosts.two.start()
    wait_for(lambda: linked(hosts.one) and linked(hosts.two), "the links")
    assert hosts.count() == 7


def without_the_directory(hosts):
    """Nothing is opened that could not be compared, and nobody is told no for good."""
    hosts.one.stop()
    done = hosts.two.run("status", check=False)
    assert done.returncode == 1 and "directory" in done.stdout, done
    hosts.one.start()
    wait_for(lambda: linked(hosts.one) and linked(hosts.two), "the links")
    hosts.two.stop()
    try:
        hosts.one.send(ADDRESS, message(7))
    except smtplib.SMTPDataError as refused:
        assert refused.smtp_code == 451, refused
    else:
        raise AssertionError("taken without a store")
    client = hosts.one.imap()
    try:
        client.login(ADDRESS, hosts.password)
    except imaplib.IMAP4.error as refused:
        assert "[UNAVAILABLE]" in str(refused), refused
    else:
        raise AssertionError("logged in without a store")
    finally:
        client.shutdown()
    hosts.two.start()
    wait_for(lambda: linked(hosts.one) and linked(hosts.two), "the links")
    assert hosts.count() == 7


Tap(globals()).main()
