#!/usr/bin/env python3
"""A front that takes more memory than it may ends and is started again; nobody else feels it."""
import os
import re
import smtplib
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import BUILD, Service, Tap, message, wait_for  # noqa: E402

# Sanitizers keep a shadow of all memory that there could be: such a build has no limit.
INSTALLED = os.path.join(os.path.dirname(os.path.abspath(BUILD)), "build", "postkasse")
MB = 1024 * 1024
RESERVED = 192 * MB  # address space for TLS


def data_limits(pid):
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        found = re.search(r"^Max data size +(\S+) +(\S+)", file.read(), re.MULTILINE)
    return found.group(1), found.group(2)


def send_too_much(service):
    """A message that the front may take by its limit for messages, and may not by that for memory."""
    with service.smtp() as smtp:
        smtp.ehlo()
        smtp.mail("sender@example.org")
        smtp.rcpt(service.address)
        smtp.docmd("DATA")
        line = b"x" * 76 + b"\r\n"
        try:
            for _ in range(100):
                smtp.sock.sendall(line * 10000)
            smtp.sock.sendall(b".\r\n")
            return smtp.getreply()[0]
        except (OSError, smtplib.SMTPServerDisconnected):
            return None


def test_a_front_without_memory_is_started_again():
    options = {"smtp_memory_max": f"{64 * MB}", "imap_memory_max": f"{512 * MB}",
               "smtp_memory_total": "100M", "message_size_max": "100M", "smtp_processes": "1"}
    with Service(options, binary=INSTALLED) as service:
        service.address = "hello@example.test"
        password = service.add_alias(service.address)
        before = service.children()
        assert data_limits(before["smtp"]) == (f"{64 * MB + RESERVED}",) * 2
        assert data_limits(before["imap"]) == (f"{512 * MB + RESERVED}",) * 2
        assert data_limits(before["store"]) == ("unlimited",) * 2
        imap = service.imap(service.address, password)
        imap.select()
        assert send_too_much(service) is None
        wait_for(lambda: service.children().get("smtp", before["smtp"]) != before["smtp"], "smtp")
        wait_for(lambda: "out of memory" in service.log_text(), "the reason in the log")
        after = service.children()
        assert {name: pid for name, pid in after.items() if name != "smtp"} == {
            name: pid for name, pid in before.items() if name != "smtp"}
        assert imap.noop()[0] == "OK"
        service.send([service.address], message(1))
        wait_for(lambda: imap.noop()[0] == "OK" and imap.select()[1] == [b"1"], "the next message")
        imap.logout()
        assert service.stop() == 0


if __name__ == "__main__":
    sys.exit(Tap(globals()).main())
