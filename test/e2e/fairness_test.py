#!/usr/bin/env python3
"""What one user, one address or one front does for itself costs the others nothing."""
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import Service, Tap, message  # noqa: E402

ADDRESS = "hello@example.test"
SERVICE = Service()
PASSWORD = SERVICE.add_alias(ADDRESS)
MB = 1024 * 1024
ROUNDS = int(os.environ.get("TEST_ROUNDS", "300"))


def text_of(size):
    line = "All work and no play makes Jack a dull boy, and it fills a line.\r\n"
    return line * (size // len(line))


def test_credit_belongs_to_one_call():
    """A FETCH that has credit left over never grants it to the command's next question."""
    reader, writer = SERVICE.imap(ADDRESS, PASSWORD), SERVICE.imap(ADDRESS, PASSWORD)
    assert reader.append("Archive", "", None, message(1, "Large", text_of(2 * MB)))[0] == "OK"
    reader.select("Archive")
    writer.select("Archive")
    done = threading.Event()

    def flip():
        while not done.is_set():
            writer.store("1", "+FLAGS.SILENT", r"(\Flagged)")
            writer.store("1", "-FLAGS.SILENT", r"(\Flagged)")

    flipper = threading.Thread(target=flip)
    flipper.start()
    try:
        for _ in range(ROUNDS):
            assert reader.fetch("1", "(BODY.PEEK[])")[0] == "OK"
            assert "link.violation" not in SERVICE.log_text()
    finally:
        done.set()
        flipper.join()
    assert "link.lost" not in SERVICE.log_text()
    reader.logout()
    writer.logout()


if __name__ == "__main__":
    try:
        Tap(globals()).main()
    finally:
        SERVICE.stop()
