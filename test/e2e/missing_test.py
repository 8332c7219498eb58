#!/usr/bin/env python3
"""What a healthy installation must have and has not: nothing new is made in its place, nobody is told that
a mailbox does not exist, and the operator reads a sentence."""
import os
import shutil
import smtplib
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import Service, Tap, message, wait_for  # noqa: E402

ADDRESS = "hello@example.test"
EX_CONFIG = 78
ROOT_USER = os.geteuid() == 0
STRANGER = 64999


def serve(service):
    """Runs `serve` to its end, which is expected at once."""
    return subprocess.run([service.binary, "--config", service.config, "serve"],
                          capture_output=True, text=True, timeout=60, env=service.environment,
                          check=False)


def refused(service, sentence, commands=(("alias", "list"), ("config", "check"))):
    """The service does not start, nor does any command work on what is there, and all say why."""
    done = serve(service)
    assert done.returncode == EX_CONFIG, (done.returncode, done.stderr)
    assert sentence in done.stderr, done.stderr
    for command in commands:
        done = service.run(*command, check=False)
        assert done.returncode != 0 and sentence in done.stderr, (command, done)


class Away:
    """path is elsewhere meanwhile."""

    def __init__(self, path):
        self.path, self.away = path, path + ".away"

    def __enter__(self):
        os.rename(self.path, self.away)

    def __exit__(self, *unused):
        assert not os.path.exists(self.path), f"{self.path} was made anew"
        os.rename(self.away, self.path)


def test_a_service_with_a_part_missing_does_not_start():
    with Service(start=False) as service:
        service.add_alias(ADDRESS)
        key = service.options["host_key_file"]
        init = ("init",)
        with Away(key):
            refused(service, "host_key_file", (("alias", "list"), ("config", "check"), init))
        with open(key, "rb") as file:
            right = file.read()
        os.chmod(key, 0o600)
        with open(key, "wb") as file:
            file.write(bytes(32))
        refused(service, "is not the key that the data in", (("alias", "list"), ("config", "check"), init))
        with open(key, "wb") as file:
            file.write(right)
        if ROOT_USER:
            os.chown(key, STRANGER, 0)
            refused(service, f"belongs to user {STRANGER}")
            os.chown(key, 0, 0)

        with Away(os.path.join(service.data, "directory", "directory.sqlite")):
            refused(service, "directory.sqlite: is not there",
                    (("alias", "list"), ("config", "check"), init))
        mailboxes = os.path.join(service.data, "mailboxes")
        with Away(mailboxes):
            refused(service, "is its volume mounted?", (("alias", "list"), ("config", "check"), init))
        with Away(mailboxes):
            os.mkdir(mailboxes)
            refused(service, "is its volume mounted?", (("alias", "list"), ("config", "check"), init))
            os.rmdir(mailboxes)
        service.run("init")
        # Without its record an installation is known by what lies in it, and gets one again.
        record = os.path.join(service.data, "installation")
        os.unlink(record)
        with Away(key):
            refused(service, "host_key_file", (init,))
        with open(key, "wb") as file:
            file.write(bytes(32))
        done = serve(service)
        assert done.returncode == EX_CONFIG and "does not open with this host key" in done.stderr, done
        assert not os.path.exists(record)
        with open(key, "wb") as file:
            file.write(right)
        service.start()
        assert service.stop() == 0
        assert os.path.exists(record)


def test_owners_and_modes_of_what_was_put_back():
    with Service(start=False) as service:
        password = service.add_alias(ADDRESS)
        for folder, folders, names in os.walk(service.data):
            for name in folders + names:
                path = os.path.join(folder, name)
                os.chmod(path, 0o777)
                if ROOT_USER:
                    os.chown(path, STRANGER, STRANGER)
        service.start()
        for name in ("mailboxes", "temporary", "directory"):
            for folder, _, names in os.walk(os.path.join(service.data, name)):
                assert os.stat(folder).st_mode & 0o777 == 0o700, folder
                for path in (os.path.join(folder, name) for name in names):
                    assert os.stat(path).st_mode & 0o777 == 0o600, path
                    assert os.stat(path).st_uid != STRANGER, path
        service.send(ADDRESS, message())
        service.imap(ADDRESS, password).logout()


def send_for_now_refused(service):
    try:
        service.send(ADDRESS, message())
    except smtplib.SMTPDataError as error:
        assert error.smtp_code == 451, error
        return
    raise AssertionError("mail was taken for a mailbox that is not there")


def test_a_mailbox_that_is_away_is_no_unknown_one():
    with Service() as service:
        password = service.add_alias(ADDRESS)
        store = service.children()["store"]
        mailboxes = os.path.join(service.data, "mailboxes")
        service.wait_forgotten()
        with Away(mailboxes):
            os.mkdir(mailboxes)  # where its volume would be mounted
            if ROOT_USER:
                shutil.chown(mailboxes, os.stat(mailboxes + ".away").st_uid,
                             os.stat(mailboxes + ".away").st_gid)
            send_for_now_refused(service)
            done = service.run("mailbox", "verify", ADDRESS, stdin=password, check=False)
            assert done.returncode != 0 and "the mailbox file is not there" in done.stderr, done
            done = service.run("alias", "add", "other@example.test", "--password", check=False)
            assert done.returncode != 0, done
            assert os.listdir(mailboxes) == []
            os.rmdir(mailboxes)
            send_for_now_refused(service)
        assert service.children()["store"] == store, "the store has died of it"
        service.send(ADDRESS, message())
        wait_for(lambda: service.json("mailbox", "verify", ADDRESS, stdin=password)["ok"], "verify")


def test_two_services_do_not_share_run_dir():
    with Service() as first:
        run_dir = first.options["run_dir"]
        with Service(start=False, options={"run_dir": run_dir}) as second:
            done = serve(second)
            assert done.returncode == 1, done
            assert f"run_dir: {run_dir}: is served already" in done.stderr, done.stderr
        password = first.add_alias(ADDRESS)
        first.send(ADDRESS, message())
        client = first.imap(ADDRESS, password)
        assert client.select()[1] == [b"1"]
        client.logout()


Tap(globals()).main()
