"""Starts a real postkasse in a folder of its own, on free ports, and stops it again. For tests.

    with Service() as service:
        password = service.add_alias("hello@example.test")
        imap = service.imap("hello@example.test", password)
"""
import contextlib
import imaplib
import json
import os
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("TEST_BUILD", os.path.join(ROOT, "build-check"))
BINARY = os.path.join(BUILD, "postkasse")
WAIT = float(os.environ.get("TEST_WAIT", "60"))

imaplib._MAXLINE = 100 * 1024 * 1024


def wait_for(condition, what, seconds=WAIT):
    """Polls until condition() is true and returns its value; fails the test after seconds."""
    deadline = time.monotonic() + seconds
    pause = 0.002
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def free_ports(count, address="127.0.0.1"):
    """Ports that nobody listens on now, all different."""
    sockets = []
    for _ in range(count):
        s = socket.socket()
        s.bind((address, 0))
        sockets.append(s)
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Failed(Exception):
    """A command line call that ended with another exit status than 0."""

    def __init__(self, command, done):
        super().__init__(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        self.status = done.returncode
        self.stderr = done.stderr


class Service:
    def __init__(self, options=None, start=True, folder=None, binary=BINARY, domain="example.test",
                 environment=None):
        self.binary = binary
        self.environment = dict(os.environ, **(environment or {}))
        self.owned = tempfile.TemporaryDirectory(prefix="postkasse-test-") if folder is None else None
        self.folder = folder or self.owned.name
        os.chmod(self.folder, 0o755)
        self.data = os.path.join(self.folder, "data")
        self.config = os.path.join(self.folder, "postkasse.conf")
        self.smtp_port, self.imap_port, self.imaps_port = free_ports(3)
        self.options = {
            "data_dir": self.data,
            "run_dir": os.path.join(self.folder, "run"),
            "host_key_file": os.path.join(self.folder, "host.key"),
            "hostname": "mail.example.test",
            "smtp_listen": f"127.0.0.1:{self.smtp_port}",
            "imap_listen": f"127.0.0.1:{self.imap_port}",
            "imaps_listen": f"127.0.0.1:{self.imaps_port}",
            "tls_certificate_file": os.path.join(self.folder, "tls.pem"),
            "tls_key_file": os.path.join(self.folder, "tls.key"),
            "auth_without_tls": "yes",
            "log_level": "debug",
            "imap_processes": "1",
        }
        self.options.update(options or {})
        self.process = None
        self.log_path = os.path.join(self.folder, "log")
        self.write_config()
        if not os.path.exists(self.data):
            self.run("init")
            if domain:
                self.run("domain", "add", domain)
        if start:
            self.start()

    def write_config(self):
        with open(self.config, "w", encoding="utf-8") as file:
            for name, value in self.options.items():
                if value is not None:
                    file.write(f"{name} = {value}\n")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stop()
        if self.owned is not None:
            self.owned.cleanup()

    # -- the command line

    def run(self, *arguments, stdin="", check=True):
        command = [self.binary, "--config", self.config, *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120,
                              env=self.environment)
        if check and done.returncode != 0:
            raise Failed(command, done)
        return done

    def json(self, *arguments, stdin=""):
        return json.loads(self.run(*arguments, "--json", stdin=stdin).stdout)

    def add_alias(self, address):
        """Adds an alias with its mailbox and returns the mailbox password."""
        self.run("alias", "add", address)
        return self.json("password", "new", address)["password"]

    # -- the processes

    def start(self):
        ready_read, ready_write = os.pipe()
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            [self.binary, "--config", self.config, "serve", "--ready-fd", str(ready_write)],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, pass_fds=[ready_write],
            env=self.environment, cwd=self.folder)
        os.close(ready_write)
        with os.fdopen(ready_read, "rb") as ready:
            watchdog = threading.Timer(WAIT, self.process.kill)
            watchdog.start()
            line = ready.readline()
            watchdog.cancel()
        if line != b"ready\n":
            self.process.wait()
            raise AssertionError(f"serve did not get ready:\n{self.log_text()[-8000:]}")

    def stop(self, seconds=WAIT):
        """SIGTERM and the exit status; None when it was not running."""
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"no end after SIGTERM:\n{self.log_text()[-8000:]}") from None
        finally:
            self.log.close()
            self.process = None
        return status

    def kill(self):
        """SIGKILL to the supervisor and everything under it."""
        pids = [self.process.pid, *self.children().values()]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        wait_for(lambda: not any(os.path.exists(f"/proc/{pid}/stat") for pid in pids), "the end of all")
        self.log.close()
        self.process = None

    def children(self):
        """Role name → process id of what the supervisor runs now; several of one role: imap, imap#2."""
        found = {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as file:
                    parent = int(file.read().rsplit(")", 1)[1].split()[1])
                if parent != self.process.pid:
                    continue
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    words = file.read().replace(b"\0", b" ").decode().split()
            except (FileNotFoundError, ProcessLookupError, IndexError):
                continue
            for role in ("store", "directory", "smtp", "imap"):
                if any(word.rstrip(":") == role for word in words):
                    name, number = role, 2
                    while name in found:
                        name, number = f"{role}#{number}", number + 1
                    found[name] = int(entry)
        return found

    def wait_forgotten(self):
        """Until the store has closed every mailbox file and wiped its key (mailbox_linger)."""
        wait_for(lambda: not any(path.endswith("-wal") and "/mailboxes/" in path
                                 for path in self.files()), "the store to forget the keys")

    def log_text(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    # -- clients

    def tls(self):
        return ssl.create_default_context(cafile=self.options["tls_certificate_file"])

    def imap(self, address=None, password=None, tls=False, timeout=WAIT):
        if tls:
            context = self.tls()
            context.check_hostname = False
            client = imaplib.IMAP4_SSL("127.0.0.1", self.imaps_port, ssl_context=context,
                                       timeout=timeout)
        else:
            client = imaplib.IMAP4("127.0.0.1", self.imap_port, timeout=timeout)
        if address is not None:
            client.login(address, password)
        return client

    def smtp(self, timeout=WAIT):
        return smtplib.SMTP("127.0.0.1", self.smtp_port, local_hostname="client.example.org",
                            timeout=timeout)

    def send(self, recipients, message, sender="sender@example.org"):
        if isinstance(recipients, str):
            recipients = [recipients]
        with self.smtp() as client:
            client.sendmail(sender, recipients, message)

    # -- what lies on the disk

    def files(self):
        """Path → content of every file under the data folder."""
        found = {}
        for folder, _, names in os.walk(self.data):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    with open(path, "rb") as file:
                        found[path] = file.read()
                except FileNotFoundError:
                    pass
        return found


def sockets(pid):
    """How many a process has now; what closes meanwhile is none."""
    folder, count = f"/proc/{pid}/fd", 0
    for fd in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            count += os.readlink(os.path.join(folder, fd)).startswith("socket:")
    return count


def message(number=0, subject="A test", body="Hello.\r\n", headers=()):
    """The bytes of a small message, each number another one."""
    lines = [
        "From: Sender Example <sender@example.org>",
        "To: hello@example.test",
        f"Subject: {subject}",
        "Date: Mon, 23 Nov 2026 10:00:00 +0000",
        f"Message-ID: <{number}.{subject.replace(' ', '.')}@example.org>",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode("utf-8")


class Tap:
    """Runs the functions of a test file whose names begin with test_, and prints TAP."""

    def __init__(self, namespace):
        self.tests = [(name, value) for name, value in namespace.items()
                      if name.startswith("test_") and callable(value)]

    def main(self):
        import traceback
        wanted = sys.argv[1:]
        tests = [(n, t) for n, t in self.tests if not wanted or n in wanted]
        print(f"1..{len(tests)}", flush=True)
        failed = 0
        for number, (name, test) in enumerate(tests, 1):
            try:
                test()
                print(f"ok {number} - {name}", flush=True)
            except BaseException:
                failed += 1
                print(f"not ok {number} - {name}", flush=True)
                for line in traceback.format_exc().splitlines():
                    print(f"# {line}", flush=True)
        sys.exit(1 if failed else 0)
