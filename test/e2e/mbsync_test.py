#!/usr/bin/env python3
"""mbsync (isync) mirrors a mailbox both ways, and curl reads and sends."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import Service, Tap, message  # noqa: E402

ADDRESS = "hello@example.test"
SERVICE = Service()
PASSWORD = SERVICE.add_alias(ADDRESS)
MIRROR = os.path.join(SERVICE.folder, "mirror")


def mbsync():
    config = os.path.join(SERVICE.folder, "mbsyncrc")
    with open(config, "w", encoding="utf-8") as file:
        file.write(f"""
IMAPAccount test
Host localhost
Port {SERVICE.imaps_port}
User {ADDRESS}
PassCmd "cat {SERVICE.folder}/password"
SSLType IMAPS
CertificateFile {SERVICE.options['tls_certificate_file']}

IMAPStore far
Account test

MaildirStore near
Path {MIRROR}/
Inbox {MIRROR}/INBOX
SubFolders Verbatim

Channel test
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
""")
    with open(f"{SERVICE.folder}/password", "w", encoding="utf-8") as file:
        file.write(PASSWORD)
    os.makedirs(MIRROR, exist_ok=True)
    done = subprocess.run(["mbsync", "-c", config, "-a"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def mirrored(folder):
    found = []
    for part in ("new", "cur"):
        path = os.path.join(MIRROR, folder, part)
        for name in os.listdir(path) if os.path.isdir(path) else ():
            with open(os.path.join(path, name), "rb") as file:
                found.append((name, file.read()))
    return sorted(found)


def test_mbsync_mirrors_both_ways():
    for number in range(20):
        SERVICE.send(ADDRESS, message(number, f"Mirror {number}", "line one\r\n.line two\r\n"))
    mbsync()
    here = mirrored("INBOX")
    assert len(here) == 20, len(here)
    assert all(b".line two\n" in raw.replace(b"\r\n", b"\n") for _, raw in here)
    for special in ("Drafts", "Sent", "Archive", "Junk", "Trash"):
        assert os.path.isdir(os.path.join(MIRROR, special)), special
    # A new message, a flag and a deletion on our side.
    first, second = here[0][0], here[1][0]
    for part in ("new", "cur"):
        path = os.path.join(MIRROR, "INBOX", part)
        for name in os.listdir(path):
            if name == first:
                os.rename(os.path.join(path, name),
                          os.path.join(MIRROR, "INBOX", "cur", name.split(":")[0] + ":2,FS"))
            elif name == second:
                os.rename(os.path.join(path, name),
                          os.path.join(MIRROR, "INBOX", "cur", name.split(":")[0] + ":2,T"))
    with open(os.path.join(MIRROR, "Archive", "cur", "1.mirror:2,S"), "wb") as file:
        file.write(message(99, "From the maildir").replace(b"\r\n", b"\n"))
    mbsync()
    client = SERVICE.imap(ADDRESS, PASSWORD)
    assert client.select("INBOX")[1] == [b"19"]
    assert len(client.search(None, "FLAGGED")[1][0].split()) == 1
    assert client.select("Archive")[1] == [b"1"]
    assert client.search(None, "SUBJECT", '"From the maildir"')[1] == [b"1"]
    client.create('"New here"')
    client.logout()
    mbsync()
    assert os.path.isdir(os.path.join(MIRROR, "New here"))


def curl(*arguments, stdin=None):
    done = subprocess.run(["curl", "-sS", "--max-time", "60", *arguments], input=stdin,
                          capture_output=True, timeout=90)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_curl_sends_and_reads():
    sent = message(200, "By curl")
    path = os.path.join(SERVICE.folder, "mail.eml")
    with open(path, "wb") as file:
        file.write(sent)
    curl("--ssl-reqd", "--cacert", SERVICE.options["tls_certificate_file"],
         f"smtp://localhost:{SERVICE.smtp_port}/client.example.org",
         "--mail-from", "sender@example.org", "--mail-rcpt", ADDRESS, "--upload-file", path)
    base = f"imaps://localhost:{SERVICE.imaps_port}"
    login = ["--cacert", SERVICE.options["tls_certificate_file"], "--user", f"{ADDRESS}:{PASSWORD}"]
    listing = curl(*login, base + "/")
    assert b"INBOX" in listing, listing
    found = curl(*login, base + "/INBOX?SUBJECT%20%22By%20curl%22")
    number = found.split()[-1].decode()
    raw = curl(*login, base + f"/INBOX/;MAILINDEX={number}")
    assert raw.endswith(sent), raw
    part = curl(*login, base + f"/INBOX/;MAILINDEX={number};SECTION=TEXT")
    assert part == b"Hello.\r\n", part
    curl(*login, base + "/Drafts", "--upload-file", path)
    assert curl(*login, base + "/Drafts/;UID=1") == sent
    for mechanism in ("PLAIN", "LOGIN"):
        curl(*login, "--login-options", f"AUTH={mechanism}", base + "/")


if __name__ == "__main__":
    try:
        Tap(globals()).main()
    finally:
        SERVICE.stop()
