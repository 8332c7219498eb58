#!/usr/bin/env python3
"""Mail comes in from real clients: swaks, curl, Python's smtplib; in all shapes; and is there once."""
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import Service, Tap, message, wait_for  # noqa: E402

ADDRESSES = ["hello@example.test", "other@example.test", "third@example.test"]
SERVICE = Service(options={"smtp_memory_total": "8M"})
PASSWORDS = {address: SERVICE.add_alias(address) for address in ADDRESSES}


def digest(raw):
    return hashlib.sha256(raw).hexdigest()


def content(raw):
    """Without what the server put in front: Return-Path and the first Received with its folds."""
    assert raw.startswith(b"Return-Path: <"), raw[:100]
    at = raw.index(b"\r\nReceived: from ") + 2
    while True:
        at = raw.index(b"\r\n", at) + 2
        if raw[at:at + 1] not in (b" ", b"\t"):
            return raw[at:]


def inbox(address=ADDRESSES[0]):
    """Every message in INBOX as it is fetched."""
    client = SERVICE.imap(address, PASSWORDS[address])
    client.select("INBOX")
    _, found = client.uid("SEARCH", "ALL")
    raw = []
    for uid in found[0].split():
        _, data = client.uid("FETCH", uid.decode(), "(BODY.PEEK[])")
        raw.append(data[0][1])
    client.logout()
    return raw


def find(marker, address=ADDRESSES[0]):
    found = [raw for raw in inbox(address) if marker in raw]
    assert len(found) == 1, f"{len(found)} messages with {marker!r}"
    return found[0]


def swaks(*arguments):
    done = subprocess.run(["swaks", "--server", f"127.0.0.1:{SERVICE.smtp_port}", "--from",
                           "sender@example.org", "--ehlo", "client.example.org", *arguments],
                          capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_swaks_in_clear_and_over_tls():
    for number, more in enumerate(([], ["--tls"], ["--pipeline"], ["--protocol", "SMTP"])):
        status, text = swaks("--to", ADDRESSES[0], "--header", f"Subject: swaks {number}", *more)
        assert status == 0, text
        raw = find(f"Subject: swaks {number}".encode())
        word = [b"ESMTP", b"ESMTPS", b"ESMTP", b"SMTP"][number]
        assert b"\tby mail.example.test (postkasse) with " + word + b" id " in raw, raw[:500]
        assert (b"(TLSv1.3 " in raw) == (word == b"ESMTPS"), raw[:500]
        assert b"\tfor <hello@example.test>;" in raw, raw[:500]


def test_swaks_hears_why_a_recipient_is_refused():
    status, text = swaks("--to", "nobody@example.test")
    assert status != 0 and "550 5.1.1" in text, text
    status, text = swaks("--to", "someone@elsewhere.test")
    assert status != 0 and "550 5.7.1" in text, text


def test_curl_sends_a_message_with_dots():
    body = ".\r\n..\r\n.a\r\n" * 50
    sent = message(1, "curl dots", body)
    with tempfile.NamedTemporaryFile() as file:
        file.write(sent)
        file.flush()
        subprocess.run(["curl", "--silent", "--show-error", "--ssl-reqd", "--insecure", "--url",
                        f"smtp://127.0.0.1:{SERVICE.smtp_port}/client.example.org", "--mail-from",
                        "sender@example.org", "--mail-rcpt", ADDRESSES[0], "--upload-file", file.name],
                       check=True, timeout=60)
    assert content(find(b"curl dots")) == sent


def test_every_byte_arrives_as_it_was_sent():
    rng = random.Random(5)
    lines = [bytes(rng.choice(b"\0\1\x7f\x80\xff.abc \t") for _ in range(rng.choice((0, 1, 70, 5000))))
             for _ in range(300)]
    sent = message(2, "all bytes") + b"\r\n".join(lines) + b"\r\n"
    SERVICE.send(ADDRESSES[0], sent)
    # A NUL may be in no literal: it leaves as 0x80, everything else as it came.
    assert b"\0" in sent and content(find(b"Subject: all bytes")) == sent.replace(b"\0", b"\x80")


def test_a_line_of_a_megabyte_is_taken():
    sent = message(3, "long line", "x" * 1_000_000 + "\r\n")
    SERVICE.send(ADDRESSES[0], sent)
    assert digest(content(find(b"Subject: long line"))) == digest(sent)


def test_a_message_of_the_largest_size_and_one_byte_more():
    limit = 50 * 1024 * 1024
    head = message(4, "largest", "")
    line = b"0123456789" * 7 + b"\r\n"
    sent = head + line * ((limit - len(head)) // len(line))
    sent += b"y" * (limit - len(sent) - 2) + b"\r\n"
    assert len(sent) == limit
    SERVICE.send(ADDRESSES[2], sent)
    assert digest(content(find(b"Subject: largest", ADDRESSES[2]))) == digest(sent)
    with SERVICE.smtp() as client:
        client.ehlo()
        client.mail("sender@example.org")
        client.rcpt(ADDRESSES[2])
        code, text = client.data(b"z" + sent)
        assert code == 552 and text.startswith(b"5.3.4"), (code, text)
        assert client.noop()[0] == 250


def test_several_recipients_one_answer():
    sent = message(5, "for three")
    SERVICE.send(ADDRESSES, sent)
    for address in ADDRESSES:
        raw = find(b"Subject: for three", address)
        assert content(raw) == sent
        assert b"\tfor <" not in raw, "one recipient must not learn of another"


def test_two_names_of_one_mailbox_get_it_once():
    sent = message(6, "plus and plain")
    SERVICE.send([ADDRESSES[0], "hello+news@example.test", "HELLO@example.test"], sent)
    assert content(find(b"Subject: plus and plain")) == sent


def test_an_address_beyond_ascii():
    with SERVICE.smtp() as client:
        client.ehlo()
        client.command_encoding = "utf-8"
        assert client.docmd("MAIL", "FROM:<grüße@bücher.example> SMTPUTF8")[0] == 250
        assert client.rcpt(ADDRESSES[0])[0] == 250
        assert client.data(message(7, "utf8"))[0] == 250
    raw = find(b"Subject: utf8")
    assert raw.startswith("Return-Path: <grüße@bücher.example>\r\n".encode())
    assert b" with UTF8SMTP id " in raw


def test_more_mail_than_memory_waits_and_none_is_dropped():
    """Ten messages of 4 MB at once, with a budget of 8 MB."""
    failures = []

    def send(number):
        try:
            SERVICE.send(ADDRESSES[1], message(100 + number, f"budget {number}.", "x" * 70 + "\r\n" * 1)
                         + (b"w" * 70 + b"\r\n") * 58000)
        except Exception as error:  # reported below
            failures.append(repr(error))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    got = [raw for raw in inbox(ADDRESSES[1]) if b"Subject: budget " in raw]
    assert len(got) == 10 and len({raw.split(b"Subject: ")[1][:10] for raw in got}) == 10


def test_a_sender_that_is_told_to_come_again_does_not_deliver_twice():
    """The store is stopped in its tracks while a message for three is under way."""
    sent = message(8, "come again")
    store = SERVICE.children()["store"]
    with SERVICE.smtp() as client:
        client.ehlo()
        client.mail("sender@example.org")
        for address in ADDRESSES:
            client.rcpt(address)
        os.kill(store, signal.SIGSTOP)
        killer = threading.Timer(0.5, os.kill, (store, signal.SIGKILL))
        killer.start()
        code, text = client.data(sent)
        killer.join()
    assert code in (250, 451), (code, text)
    deadline = time.monotonic() + 60
    while code != 250:
        assert time.monotonic() < deadline, (code, text)
        with SERVICE.smtp() as client:
            client.ehlo()
            client.mail("sender@example.org")
            for address in ADDRESSES:
                client.rcpt(address)
            code, text = client.data(sent)
        time.sleep(0.1)
    for address in ADDRESSES:
        assert content(find(b"Subject: come again", address)) == sent


def test_no_address_and_no_subject_in_the_log():
    wait_for(lambda: "event=smtp.delivered" in SERVICE.log_text(), "a delivery in the log")
    log = SERVICE.log_text()
    for secret in ("sender@example.org", "hello@example.test", "budget", "come again", "grüße"):
        assert secret not in log, secret


def test_a_stopping_service_says_so():
    client = SERVICE.smtp()
    client.ehlo()
    os.kill(SERVICE.process.pid, signal.SIGTERM)
    code, text = client.getreply()
    assert code == 421 and text.startswith(b"4.3.2"), (code, text)
    status = SERVICE.process.wait(60)
    assert status == 0, (status, SERVICE.log_text()[-3000:])


if __name__ == "__main__":
    try:
        Tap(globals()).main()
    finally:
        SERVICE.stop()
