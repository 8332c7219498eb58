#!/usr/bin/env python3
"""postkasse link authority and link certificate: what they make, what they refuse, what they keep."""
import os
import stat
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import Service, Tap  # noqa: E402

USAGE, DATA, NOT_FOUND, EXISTS = 64, 65, 67, 73
HOST = "mx1.example.org"


class Folder:
    """A folder for an authority, in one of its own; the command line needs no service."""

    def __init__(self):
        self.service = Service(start=False)
        self.outer = tempfile.TemporaryDirectory(prefix="postkasse-test-links-")
        self.path = os.path.join(self.outer.name, "links")

    def run(self, *arguments):
        return self.service.run("link", *arguments, check=False)

    def certificate(self, host=HOST, addresses=("192.0.2.20",), roles="imap,smtp"):
        more = [] if roles is None else ["--role", roles]
        return self.run("certificate", self.path, host, *addresses, *more)

    def read(self, name):
        with open(os.path.join(self.path, name), encoding="ascii") as file:
            return file.read()

    def mode(self, name=""):
        return stat.S_IMODE(os.stat(os.path.join(self.path, name)).st_mode)

    def openssl(self, *arguments):
        return subprocess.run(["openssl", *arguments], cwd=self.path, capture_output=True, text=True)


def test_what_is_made():
    folder = Folder()
    assert folder.run("authority", folder.path).returncode == 0
    assert (folder.mode(), folder.mode("ca.pem"), folder.mode("ca.key")) == (0o700, 0o644, 0o600)
    done = folder.certificate(addresses=("192.0.2.20", "2001:db8::20"))
    assert done.returncode == 0, done.stderr
    assert f"{folder.path}/{HOST}.pem" in done.stdout
    assert (folder.mode(f"{HOST}.pem"), folder.mode(f"{HOST}.key")) == (0o644, 0o600)
    text = folder.openssl("x509", "-noout", "-text", "-in", f"{HOST}.pem").stdout
    for part in (f"DNS:{HOST}", "IP Address:192.0.2.20", "IP Address:2001:DB8:0:0:0:0:0:20",
                 "URI:postkasse:imap", "URI:postkasse:smtp", "CA:FALSE",
                 "TLS Web Server Authentication, TLS Web Client Authentication"):
        assert part in text, (part, text)
    assert "postkasse:store" not in text
    for purpose in ("sslserver", "sslclient"):
        assert folder.openssl("verify", "-x509_strict", "-purpose", purpose, "-CAfile", "ca.pem",
                              f"{HOST}.pem").returncode == 0
    # Never an authority itself.
    assert folder.openssl("verify", "-CAfile", f"{HOST}.pem", f"{HOST}.pem").returncode != 0


def test_again_is_a_new_one_but_never_a_new_authority():
    folder = Folder()
    folder.run("authority", folder.path)
    folder.certificate()
    first = (folder.read(f"{HOST}.pem"), folder.read(f"{HOST}.key"))
    authority = (folder.read("ca.pem"), folder.read("ca.key"))
    assert folder.certificate().returncode == 0
    second = (folder.read(f"{HOST}.pem"), folder.read(f"{HOST}.key"))
    assert first[0] != second[0] and first[1] != second[1]
    assert folder.run("authority", folder.path).returncode == EXISTS
    assert (folder.read("ca.pem"), folder.read("ca.key")) == authority


def test_many_at_once_leave_what_belongs_together():
    folder = Folder()
    folder.run("authority", folder.path)

    def all_of(count, *arguments):
        many = [subprocess.Popen([folder.service.binary, "link", *arguments], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE) for _ in range(count)]
        for one in many:
            assert one.communicate(timeout=60)[1] == b"" and one.returncode == 0, one

    def public(*arguments):
        return folder.openssl(*arguments).stdout

    for _ in range(4):
        all_of(8, "certificate", folder.path, HOST, "192.0.2.20", "--role", "imap")
        assert public("x509", "-noout", "-pubkey", "-in", f"{HOST}.pem") == \
            public("pkey", "-pubout", "-in", f"{HOST}.key") != ""
    all_of(4, "authority", folder.path, "--next")
    assert public("x509", "-noout", "-pubkey", "-in", "ca.pem") == public("pkey", "-pubout", "-in", "ca.key")
    assert folder.read("ca.pem").count("BEGIN CERTIFICATE") == 5


def test_another_authority():
    folder = Folder()
    assert folder.run("authority", folder.path, "--next").returncode == NOT_FOUND
    folder.run("authority", folder.path)
    folder.certificate()
    with open(os.path.join(folder.path, "old.pem"), "w", encoding="ascii") as file:
        file.write(folder.read(f"{HOST}.pem"))

    def believed(name):
        return folder.openssl("verify", "-CAfile", "ca.pem", name).returncode == 0
    assert folder.run("authority", folder.path, "--next", "--retire").returncode == USAGE
    assert folder.run("authority", folder.path, "--next").returncode == 0
    assert folder.read("ca.pem").count("BEGIN") == 2
    assert folder.certificate().returncode == 0
    assert believed("old.pem") and believed(f"{HOST}.pem")
    assert folder.run("authority", folder.path, "--retire").returncode == 0
    assert folder.read("ca.pem").count("BEGIN") == 1
    assert believed(f"{HOST}.pem") and not believed("old.pem")


def test_what_is_refused():
    folder = Folder()
    assert folder.certificate().returncode == NOT_FOUND
    folder.run("authority", folder.path)
    for host, addresses, roles in (
            (HOST, ("192.0.2.20",), None), (HOST, ("192.0.2.20",), "imap,nosuch"),
            (HOST, ("192.0.2.20",), "cli"), (HOST, ("192.0.2.20",), ",imap"),
            (HOST, ("192.0.2.256",), "imap"), (HOST, (HOST,), "imap"),
            ("MX1.example.org", ("192.0.2.20",), "imap"), ("../mx1", ("192.0.2.20",), "imap"),
            ("mx1.example.org,URI:postkasse:store", ("192.0.2.20",), "imap"),
            (HOST, ("192.0.2.20,URI:postkasse:store",), "imap")):
        done = folder.certificate(host, addresses, roles)
        assert done.returncode == DATA, (host, addresses, roles, done.returncode, done.stderr)
        assert done.stderr.count("\n") == 1, done.stderr
    assert folder.certificate(addresses=()).returncode == USAGE
    assert sorted(os.listdir(folder.path)) == ["ca.key", "ca.pem"]
    # A key that others can read is nobody's any more; one of another authority signs nothing.
    os.chmod(os.path.join(folder.path, "ca.key"), 0o640)
    assert folder.certificate().returncode != 0
    os.chmod(os.path.join(folder.path, "ca.key"), 0o600)
    other = Folder()
    other.run("authority", other.path)
    with open(os.path.join(folder.path, "ca.key"), "w", encoding="ascii") as file:
        file.write(other.read("ca.key"))
    assert folder.certificate().returncode == DATA
    assert sorted(os.listdir(folder.path)) == ["ca.key", "ca.pem"]


def test_for_scripts():
    folder = Folder()
    assert folder.service.json("link", "authority", folder.path) == {
        "folder": folder.path, "authority": "made"}
    made = folder.service.json("link", "certificate", folder.path, HOST, "192.0.2.20", "--role", "imap")
    assert made == {"folder": folder.path, "host": HOST, "days": 397}


if __name__ == "__main__":
    Tap(globals()).main()
