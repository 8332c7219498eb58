#!/usr/bin/env python3
"""Each file and folder of an installation in turn is away, empty, unreadable, somebody else's or another one:
whoever is told no is told for now or why, nothing new takes its place, and once it is put back all mail is there."""
import concurrent.futures
import imaplib
import os
import shutil
import smtplib
import stat
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import Service, Tap, message  # noqa: E402

OPENED, WAITS = "opened@example.test", "waits@example.test"
ROOT_USER = os.geteuid() == 0
STRANGER = 64999
EX_CONFIG = 78
# What may be away: by the end of its path, with the reason.
MAY_BE_AWAY = {
    "/lock": "holds nothing: every start makes it",
    "/run": "sockets and a lock: every start makes it",
    "/log": "standard error of the test's service",
    "/data/installation": "known again by what lies in data_dir; made by the next start",
    "/ballast": "holds nothing: made, and made whole, whenever there is room for it",
    "/.postkasse": "marks a folder whose volume is mounted: made where mailboxes lie",
}


def make(folder):
    """An installation with two mails in a mailbox file, and one that waits; returns the passwords."""
    with Service(folder=folder, options={"mailbox_linger": "0s"}) as service:
        passwords = {address: service.add_alias(address) for address in (OPENED, WAITS)}
        client = service.imap(OPENED, passwords[OPENED])
        for number in range(2):
            service.send(OPENED, message(number))
        client.logout()
        service.send(WAITS, message(2))
        assert service.stop() == 0
    os.unlink(service.log_path)
    shutil.rmtree(service.options["run_dir"])  # sockets cannot be copied; it is made by every start
    return passwords


def tree(folder):
    """Relative path → content of files, None for folders; without what may be away."""
    found = {}
    for above, folders, names in os.walk(folder):
        for name in folders + names:
            path = os.path.join(above, name)
            relative = "/" + os.path.relpath(path, folder)
            if any(relative.endswith(end) for end in MAY_BE_AWAY) or stat.S_ISSOCK(os.lstat(path).st_mode):
                continue
            if name in folders:
                found[relative] = None
                continue
            with open(path, "rb") as file:
                found[relative] = file.read()
    return found


def away(path):
    os.rename(path, path + ".away")


def empty(path):
    away(path)
    if os.path.isdir(path + ".away"):
        os.mkdir(path, 0o700)
    else:
        open(path, "wb").close()
    same_owner(path)


def unreadable(path):
    os.chmod(path, 0)


def of_a_stranger(path):
    os.chown(path, STRANGER, STRANGER)


def another(path):
    away(path)
    with open(path, "wb") as file:
        file.write(b"nonsense " * 1000)
    same_owner(path)


def same_owner(path):
    before = os.stat(path + ".away")
    os.chmod(path, 0o600 if not os.path.isdir(path) else 0o700)
    if ROOT_USER:
        os.chown(path, before.st_uid, before.st_gid)


def put_back(path, before):
    if os.path.lexists(path + ".away"):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)
        os.rename(path + ".away", path)
    os.chmod(path, stat.S_IMODE(before.st_mode))
    if ROOT_USER:
        os.chown(path, before.st_uid, before.st_gid)


def deliver(service, address):
    """Whether it was taken; refused for good is a failure."""
    try:
        service.send(address, message(9))
    except smtplib.SMTPRecipientsRefused as refused:
        [(code, text)] = refused.recipients.values()
    except smtplib.SMTPResponseException as refused:
        code, text = refused.smtp_code, refused.smtp_error
    else:
        return True
    assert 400 <= code < 500, (address, code, text)
    return False


def count(service, address, password):
    """Messages of a mailbox; None where the answer is that something is wrong with it."""
    client = service.imap()
    try:
        client.login(address, password)
        number = int(client.select()[1][0])
        for answer in client.fetch("1:*", "(RFC822.SIZE BODY.PEEK[])")[1] if number else ():
            assert not isinstance(answer, tuple) or len(answer[1]) > 100, answer
        return number
    except imaplib.IMAP4.error as error:
        assert "[UNAVAILABLE]" in str(error) or "[CORRUPTION]" in str(error), error
        return None
    finally:
        client.shutdown()


def healthy(service, passwords, least):
    for address, number in least.items():
        got = count(service, address, passwords[address])
        assert got is not None and got >= number, (address, got, number)


class Case:
    def __init__(self, base, passwords, relative, treatment):
        self.base, self.passwords, self.relative, self.treatment = base, passwords, relative, treatment
        self.may = treatment is away and any(relative.endswith(end) for end in MAY_BE_AWAY)

    def run(self):
        with tempfile.TemporaryDirectory(prefix="postkasse-test-") as above:
            folder = os.path.join(above, "it")
            shutil.copytree(self.base, folder)
            if ROOT_USER:
                for path in (folder, *(os.path.join(a, n) for a, d, f in os.walk(folder) for n in d + f)):
                    like = os.stat(os.path.join(self.base, os.path.relpath(path, folder)))
                    os.chown(path, like.st_uid, like.st_gid)
            os.chmod(above, 0o755)
            service = Service(folder=folder, start=False, options={"mailbox_linger": "0s", "log_level": "info"})
            self.tried(service, folder)

    def tried(self, service, folder):
        before, path = tree(folder), folder + self.relative
        status = os.stat(path)
        self.treatment(path)
        check = service.run("config", "check", check=False)
        assert check.returncode in (0, EX_CONFIG) and "Sanitizer" not in check.stderr, check
        assert check.returncode == 0 or check.stderr.startswith("postkasse: "), check
        try:
            service.start()
        except AssertionError:
            assert not self.may, service.log_text()
            text = service.log_text()
            assert service.process.returncode == EX_CONFIG, text
            assert "Sanitizer" not in text and "start_failed" in text, text
            service.log.close()
            service.process = None
            put_back(path, status)
            assert tree(folder) == before, "something was made, or changed"
            return
        try:
            least = self.used(service)
            put_back_least = {OPENED: 2, WAITS: 1}
        finally:
            assert service.stop() == 0
            assert "Sanitizer" not in service.log_text()
        put_back(path, status)
        with service:
            service.start()
            healthy(service, self.passwords, {address: max(least[address], put_back_least[address])
                                              for address in least})

    def used(self, service):
        """The service started without it; returns how much is there at least, then."""
        status = subprocess.run([service.binary, "--config", service.config, "status"], capture_output=True,
                                text=True, timeout=60, check=False)
        assert status.returncode in (0, 1) and "Sanitizer" not in status.stderr, status
        least = {OPENED: 2, WAITS: 1}
        for address in least:
            taken = deliver(service, address)
            seen = count(service, address, self.passwords[address])
            if self.may:
                assert taken and seen == least[address] + 1, (address, taken, seen)
            assert seen is None or seen >= taken, "what was taken a moment ago is not there"
        return least


def test_each_in_turn():
    with tempfile.TemporaryDirectory(prefix="postkasse-test-") as above:
        os.chmod(above, 0o755)
        base = os.path.join(above, "base")
        os.mkdir(base)
        passwords = make(base)
        cases = []
        for folder, folders, names in os.walk(base):
            for name in folders + names:
                path = os.path.join(folder, name)
                treatments = [away, empty, unreadable] + [another] * (name in names) + [of_a_stranger] * ROOT_USER
                relative = "/" + os.path.relpath(path, base)
                if relative == "/postkasse.conf":
                    treatments.remove(empty)  # means all defaults: the installation of the machine
                cases += [Case(base, passwords, relative, treatment) for treatment in treatments]
        assert len(cases) > 60, cases
        failed = []
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for case, done in [(case, pool.submit(case.run)) for case in cases]:
                try:
                    done.result()
                except BaseException as error:  # all of them are of interest
                    failed.append(f"{case.treatment.__name__} {case.relative}: {type(error).__name__} {error}"[:1000])
        assert not failed, f"{len(failed)} of {len(cases)}:\n" + "\n".join(failed)


Tap(globals()).main()
