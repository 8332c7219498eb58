"""What all servers under test have in common: a folder, ports, and what they cost."""
import json
import os
import shutil
import socket
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")
LOAD = None  # path of bench-load, set by run
USERS = 60


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_port(port, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise RuntimeError(f"nothing listens on port {port}") from None
            time.sleep(0.02)


def children(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                found += [int(word) for word in file.read().split()]
    except FileNotFoundError:
        pass
    return found


def tree(pid):
    found = []
    waiting = children(pid)
    while waiting:
        child = waiting.pop()
        found.append(child)
        waiting += children(child)
    return found


def stat_fields(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(")")[2].split()


class Held:
    """A command under `bench-load hold`: everything it starts can be found, weighed and ended."""

    def __init__(self, command, log, environment=None):
        self.log = open(log, "ab")
        self.process = subprocess.Popen([LOAD, "hold", *command], stdin=subprocess.PIPE,
                                        stdout=self.log, stderr=self.log, env=environment)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.log.close()

    def cpu(self):
        """Seconds of CPU of all processes, the ended ones included: those that were waited for are in
        their parents' account."""
        ticks = sum(map(int, stat_fields(self.process.pid)[13:15]))
        for pid in tree(self.process.pid):
            try:
                ticks += sum(map(int, stat_fields(pid)[11:15]))
            except (FileNotFoundError, ProcessLookupError):
                pass
        return ticks / TICK

    def pss(self):
        """Bytes of memory, shared pages counted once."""
        total = 0
        for pid in tree(self.process.pid):
            try:
                with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                    total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
            except (FileNotFoundError, ProcessLookupError):
                pass
        return total * 1024


def size_of(folder):
    return sum(os.path.getsize(os.path.join(path, name))
               for path, _, names in os.walk(folder) for name in names)


def load(mode, **values):
    """Runs the load generator to its end and returns what it says."""
    command = [LOAD, mode] + [f"{name}={value}" for name, value in values.items()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


class Server:
    """name, delivery ("lmtp" or "smtp"), the ports; held runs between start and stop."""

    delivery = "lmtp"

    def __init__(self, name, folder):
        self.name = name
        self.folder = os.path.join(folder, name.replace(" ", "-"))
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self.deliver_port, self.imap_port, self.imaps_port = free_ports(3)
        self.passwords = os.path.join(self.folder, "passwords")
        self.held = []

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def hold(self, *command, environment=None):
        self.held.append(Held(command, self.path("log"), environment))

    def stop(self):
        for held in reversed(self.held):
            held.stop()
        self.held = []

    def cpu(self):
        return sum(held.cpu() for held in self.held)

    def pss(self):
        return sum(held.pss() for held in self.held)

    def settle(self):
        """Until the processes have nothing left to do."""
        before = self.cpu()
        for _ in range(50):
            time.sleep(0.2)
            now = self.cpu()
            if now - before < 0.02:
                return
            before = now

    def measure(self, mode, port, **values):
        """As load, with "cpu_ms": CPU of the server for one of what was counted, what it does
        afterwards on its own included."""
        self.settle()
        before = self.cpu()
        result = load(mode, port=port, passwords=self.passwords, **values)
        self.settle()
        result["cpu_ms"] = 1000 * (self.cpu() - before) / max(result["count"], 1)
        return result

    def start(self):
        raise NotImplementedError

    def stored_bytes(self):
        """On disk, for all mailboxes; while the server is stopped."""
        raise NotImplementedError

    def forget_caches(self):
        """What a first visit of a new client finds; while the server is stopped."""
