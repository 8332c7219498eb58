"""What is measured on each side, and the table of what came out."""
import imaplib
import json
import os
import subprocess
import threading
import time

import server
from server import load

SIDES = ["plain", "tuned", "mdbox", "mail_crypt", "postfix+plain", "postfix+mail_crypt", "postkasse"]
ITEMS = "(FLAGS ENVELOPE BODYSTRUCTURE INTERNALDATE RFC822.SIZE)"

# Users, so that no row finds the mail of another: inbound uses the first 10, and so on.
INBOUND, VISIBLE, APPEND_ONE, APPEND_TEN, NOTIFY, IDLE = 0, 10, 20, 21, 31, 32


def measure(side, name, files, quick):
    """Every row that makes sense on this side."""
    result = {}
    if name.startswith("postfix+"):
        side.start()
        result["visible"] = visible(side, files, 600 if quick else 2000)
        return result
    if name in ("plain", "mdbox", "mail_crypt", "postkasse"):
        append_one(side, files, result)
    side.start()
    if name in ("plain", "mail_crypt", "postkasse"):
        inbound(side, files, result, quick)
        idle_memory(side, result, 100 if quick else 200)
        notify(side, files, result, 10 if quick else 30)
    if name in ("plain", "mdbox", "mail_crypt", "postkasse"):
        result["append 10"] = side.measure("append", side.imap_port, corpus=files["all"],
                                           count=files["count"] // (4 if quick else 1), connections=10,
                                           users=10, first_user=APPEND_TEN)
    if name == "postkasse":
        result["visible"] = visible(side, files, 1000 if quick else 4000)
    if name in ("plain", "tuned", "mail_crypt", "postkasse"):
        load("login", port=side.imap_port, passwords=side.passwords, count=10, first_user=NOTIFY)
        result["login"] = side.measure("login", side.imap_port, count=200 if quick else 1000,
                                       first_user=NOTIFY)
    return result


def append_one(side, files, result):
    """One client fills one mailbox with the corpus, bytes are counted; then a new client reads."""
    side.start()
    side.stop()
    before = side.stored_bytes()
    side.start()
    result["append 1"] = side.measure("append", side.imap_port, corpus=files["all"],
                                      count=files["count"], first_user=APPEND_ONE)
    side.stop()
    result["disk"] = {"ratio": (side.stored_bytes() - before) / files["raw_bytes"]}
    side.forget_caches()
    side.start()
    result["fetch first"] = side.measure("fetch", side.imap_port, items=ITEMS, first_user=APPEND_ONE)
    result["fetch again"] = side.measure("fetch", side.imap_port, items=ITEMS, first_user=APPEND_ONE)
    runs = [side.measure("fetch", side.imaps_port, tls=1, items="(BODY.PEEK[])",
                         first_user=APPEND_ONE) for _ in range(3)]
    result["bodies"] = sorted(runs, key=lambda run: run["rate"])[1]
    for run in ("fetch first", "fetch again", "bodies"):
        if result[run]["count"] != files["count"]:
            raise RuntimeError(f"{side.name}: {run} gave {result[run]['count']} messages")
    side.stop()


def inbound(side, files, result, quick):
    for connections in (1, 10, 50):
        count = (300 if connections == 1 else 1000) if quick else (1000 if connections == 1 else 4000)
        result[f"inbound {connections}"] = side.measure(
            side.delivery, side.deliver_port, corpus=files["small"], count=count,
            connections=connections, users=10, first_user=INBOUND)
    if side.name == "postkasse":
        with Idlers(side, 10, INBOUND, 10):
            result["inbound 10, owners present"] = side.measure(
                side.delivery, side.deliver_port, corpus=files["small"], count=1000 if quick else 4000,
                connections=10, users=10, first_user=INBOUND)
        result["inbound 10, one mailbox"] = side.measure(
            side.delivery, side.deliver_port, corpus=files["small"], count=1000 if quick else 4000,
            connections=10, users=1, first_user=INBOUND)


class Idlers:
    """Clients over TLS in IDLE while the block runs."""

    def __init__(self, side, connections, first_user, users):
        self.command = [server.LOAD, "idle", f"port={side.imaps_port}", "tls=1", f"users={users}",
                        f"connections={connections}", f"first_user={first_user}",
                        f"passwords={side.passwords}"]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if not self.process.stdout.readline():
            raise RuntimeError("the idle clients did not come up")
        return self

    def __exit__(self, *unused):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def idle_memory(side, result, connections):
    """The first clients bring what is needed once; what the further ones cost is counted."""
    with Idlers(side, 10, IDLE, 10):
        side.settle()
        before = side.pss()
        with Idlers(side, connections, IDLE, 10):
            side.settle()
            result["idle"] = {"bytes": (side.pss() - before) / connections}


def notify(side, files, result, count):
    mode = "notify-lmtp" if side.delivery == "lmtp" else "notify"
    result["notify"] = load(mode, port=side.deliver_port, imap_port=side.imap_port,
                            corpus=files["small"], count=count, first_user=NOTIFY,
                            passwords=side.passwords)


class Watcher:
    """Counts the messages in the mailboxes of some users, as a client sees them."""

    def __init__(self, side, first_user, users):
        with open(side.passwords, encoding="ascii") as file:
            passwords = file.read().split()
        self.clients = []
        for user in range(first_user, first_user + users):
            client = imaplib.IMAP4("127.0.0.1", side.imap_port)
            client.login(f"user{user}@example.test", passwords[user])
            self.clients.append(client)

    def count(self, client):
        _, data = client.status("INBOX", "(MESSAGES)")
        return int(data[0].rpartition(b"MESSAGES ")[2].rstrip(b")"))

    def wait_each(self, wanted):
        for client in self.clients:
            while self.count(client) < wanted:
                time.sleep(0.02)

    def close(self):
        for client in self.clients:
            client.logout()


def visible(side, files, count):
    """From the first byte over SMTP until every message is there for a client."""
    users = 10
    watcher = Watcher(side, VISIBLE, users)
    side.settle()
    cpu = side.cpu()
    start = time.monotonic()
    sender = threading.Thread(target=load, args=("smtp",), kwargs={
        "port": side.deliver_port, "corpus": files["small"], "count": count, "connections": 10,
        "users": users, "first_user": VISIBLE})
    sender.start()
    watcher.wait_each(count // users)
    seconds = time.monotonic() - start
    sender.join()
    side.settle()
    watcher.close()
    return {"count": count, "seconds": seconds, "rate": count / seconds,
            "cpu_ms": 1000 * (side.cpu() - cpu) / count}


# ---------------------------------------------------------------- the table

def get(results, side, row, field):
    return results.get(side, {}).get(row, {}).get(field)


def rate(result, unit="/s"):
    if result is None:
        return "-"
    text = f"{result['rate']:,.0f}{unit}"
    if "cpu_ms" not in result:
        return text
    cpu = result["cpu_ms"]
    return text + (f", {cpu:.2f} ms" if cpu >= 0.1 else f", {1000 * cpu:.0f} µs")


def times(ours, theirs, wanted, what):
    """A goal that is a multiple of somebody's rate, or of somebody's CPU time."""
    if not ours or not theirs:
        return None
    ratio = theirs / ours if what == "by CPU" else ours / theirs
    return f"{ratio:.1f} of {wanted:g} x {what}", ratio >= wanted


def most(ours, limit, form):
    return None if ours is None else (f"{form(ours)} of {form(limit)}", ours <= limit)


def plural(n, word):
    return f"{n} {word}" + ("" if n == 1 else "s")


def goals(results):
    """Row, what it is called, and what to reach in it."""
    def ours(row, field="rate"):
        return get(results, "postkasse", row, field)

    def of(side, row, field="rate"):
        return get(results, side, row, field)

    for n in (1, 10, 50):
        row = f"inbound {n}"
        yield row, f"inbound, 3 KB, {plural(n, 'connection')}", [
            times(ours(row), of("plain", row), 2, "plain"),
            times(ours(row, "cpu_ms"), of("plain", row, "cpu_ms"), 4, "by CPU")]
    yield "inbound 10, owners present", "the same, owners logged in", []
    yield "inbound 10, one mailbox", "the same, one mailbox", []
    yield "visible", "SMTP until visible, 10 connections", [
        times(ours("visible"), of("postfix+plain", "visible"), 4, "Postfix + plain")]
    for n in (1, 10):
        row = f"append {n}"
        yield row, f"APPEND of the corpus, {plural(n, 'client')}", [
            times(ours(row), of("mdbox", row), 1, "mdbox"),
            times(ours(row), of("mail_crypt", row), 3, "mail_crypt")]
    yield "login", "login + SELECT + LOGOUT, 1 client", [
        times(ours("login"), of("plain", "login"), 6, "plain"),
        times(ours("login", "cpu_ms"), of("tuned", "login", "cpu_ms"), 2, "by CPU")]
    yield "fetch first", "new client: FLAGS ENVELOPE BODYSTRUCTURE ..., first time", [
        times(ours("fetch first"), of("plain", "fetch first"), 3, "plain")]
    yield "fetch again", "the same, again", []
    yield "bodies", "new client: all bodies, TLS", [
        times(ours("bodies"), of("plain", "bodies"), 1, "plain"),
        times(ours("bodies"), of("mail_crypt", "bodies"), 8, "mail_crypt")]
    yield "disk", "bytes on disk / raw bytes", [most(ours("disk", "ratio"), 0.40, "{:.2f}".format)]
    yield "idle", "memory per idle connection, TLS", [
        most(ours("idle", "bytes"), 40 * 1024, lambda n: f"{n / 1024:.0f} KB")]
    yield "notify", "delivery to EXISTS in an idle client", [
        most(ours("notify", "median_ms"), 5, lambda n: f"{n:.1f} ms")]


def cell(results, side, row):
    result = results.get(side, {}).get(row)
    if result is None:
        return "-"
    if row == "disk":
        return f"{result['ratio']:.2f}"
    if row == "idle":
        return f"{result['bytes'] / 1024:.0f} KB"
    if row == "notify":
        return f"{result['median_ms']:.1f} ms"
    text = rate(result)
    if row == "bodies":
        text += f", {result['bytes'] / result['seconds'] / 1e6:.0f} MB/s"
    return text


def table(results):
    """Markdown. Rates are of messages or logins; the time behind a rate is CPU of all server processes
    for one of them."""
    sides = [side for side in SIDES if side in results]
    lines = ["| work | " + " | ".join(sides) + " | reached |",
             "| --- |" + " --- |" * (len(sides) + 1)]
    for row, title, reached in goals(results):
        if not any(row in results[side] for side in sides):
            continue
        words = [f"{text} {'(yes)' if good else '(NO)'}" for text, good in filter(None, reached)]
        lines.append(f"| {title} | " + " | ".join(cell(results, side, row) for side in sides) +
                     f" | {'; '.join(words)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "out", "result.json"),
              encoding="utf-8") as last:
        print(table(json.load(last)))
