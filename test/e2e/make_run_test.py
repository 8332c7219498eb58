#!/usr/bin/env python3
"""What `make run` does after building: a service of one's own, a message through it, again later."""
import imaplib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import BUILD, ROOT, WAIT, Tap, wait_for  # noqa: E402


class Run:
    """tools/run until it serves; text is what it said by then."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(ROOT, "tools", "run"), "--build", BUILD, "--data", folder],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8")
        watchdog = threading.Timer(WAIT, self.process.kill)
        watchdog.start()
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if "Ctrl-C ends it." in line:
                break
        watchdog.cancel()
        self.text = "".join(lines)
        assert lines and "Ctrl-C ends it." in lines[-1], self.text

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def port(self, name):
        pattern = {"imaps": r"IMAP, 127\.0\.0\.1, port (\d+)", "smtp": r"over SMTP, port (\d+)"}[name]
        return int(re.search(pattern, self.text).group(1))

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(WAIT) == 0
        assert "Stopping." in self.process.stdout.read()


def count(run, password):
    client = imaplib.IMAP4_SSL("127.0.0.1", run.port("imaps"))
    client.login("hello@example.test", password)
    kind, data = client.select("INBOX", readonly=True)
    client.logout()
    assert kind == "OK", data
    return int(data[0])


def supervisors(folder):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if b"serve" in words and os.path.join(folder, "postkasse.conf").encode() in words:
            found.append(int(pid))
    return found


def test_the_first_run_and_the_second():
    with tempfile.TemporaryDirectory(prefix="postkasse-run-") as above:
        os.chmod(above, 0o755)
        folder = os.path.join(above, "data")
        with Run(folder) as run:
            password = re.search(r"Its password, shown this once:\n\n  (\S+)\n", run.text).group(1)
            assert len(password) >= 22, password
            assert "S: 250" in run.text and "UID 1 of INBOX" in run.text, run.text
            assert "can be read with the password of the mailbox only." in run.text
            assert count(run, password) == 1
            run.interrupt()
        assert supervisors(folder) == []
        with open(os.path.join(folder, "log"), encoding="utf-8") as file:
            assert password not in file.read()
        with Run(folder) as run:
            assert password not in run.text and "shown this once" not in run.text
            assert "S: 250" in run.text
            assert count(run, password) == 2
            # Another one meanwhile finds other ports, and its own folder.
            with Run(os.path.join(above, "other")) as other:
                assert "is taken" in other.text, other.text
                assert other.port("imaps") != run.port("imaps")
                other.interrupt()
            assert count(run, password) == 2
            # However it ends, it takes its service along.
            run.process.kill()
            run.process.wait()
            wait_for(lambda: not supervisors(folder), "the end of the service")


if __name__ == "__main__":
    Tap(globals()).main()
