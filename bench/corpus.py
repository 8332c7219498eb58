"""The corpus: 2,000 messages, the same on every machine. 60 % text of 3 KB, 20 % HTML of 30 KB, 20 %
with an attachment of 200 KB, three quarters of those the same one. Each stands in the file behind its
length as 4 bytes, little-endian."""
import base64
import random
import struct

WORDS = (
    "the of and to in is that for it as was with be by on not he this are or his from at which but "
    "have an had they you were their one all we can her has there been if more when will would who "
    "so no meeting invoice report project schedule customer delivery order payment account number "
    "question answer attached please regards thanks yesterday tomorrow morning afternoon week month "
    "year system server update release version problem solution team office travel ticket contract "
    "agreement price offer discount shipping address telephone garden kitchen holiday weather music "
    "school children family friend birthday dinner restaurant station airport hotel museum river "
    "mountain forest summer winter spring autumn paper letter page book story picture window door "
).split()
NAMES = ("Anna Bo Carl Dorte Erik Freja Gustav Hanne Ida Jens Karen Lars Mette Niels Ole Pia Rasmus "
         "Sofie Thomas Ulla Viggo").split()


def sentence(rng):
    words = [rng.choice(WORDS) for _ in range(rng.randint(5, 16))]
    return words[0].capitalize() + " " + " ".join(words[1:]) + rng.choice([".", ".", ".", "?", "!"])


def text(rng, size):
    lines, line, have = [], "", 0
    while have < size:
        for word in sentence(rng).split():
            if len(line) + len(word) > 71:
                lines.append(line.rstrip())
                have += len(line) + 1
                line = ""
            line += word + " "
        if rng.random() < 0.15:
            lines += [line.rstrip(), ""]
            have += len(line) + 3
            line = ""
    return "\r\n".join(lines)[:size].rstrip("\r\n") + "\r\n"


def header(rng, number):
    sender, to = rng.choice(NAMES), rng.choice(NAMES)
    unique = "%016x" % rng.getrandbits(64)
    return [
        f"Received: from mail-{rng.randint(1, 99)}.example.net (mail.example.net [192.0.2.{rng.randint(1, 254)}])",
        f"\tby mx.example.org with ESMTPS id {unique[:12]}",
        f"\tfor <{to.lower()}@example.test>; Mon, {rng.randint(1, 28):02} Jun 2026 {rng.randint(0, 23):02}:"
        f"{rng.randint(0, 59):02}:{rng.randint(0, 59):02} +0200",
        f"From: {sender} Hansen <{sender.lower()}.hansen@example.net>",
        f"To: {to} Jensen <{to.lower()}@example.test>",
        f"Subject: {sentence(rng)[:70]}",
        f"Date: Mon, {rng.randint(1, 28):02} Jun 2026 {rng.randint(0, 23):02}:{rng.randint(0, 59):02}:00 +0200",
        f"Message-ID: <{unique}.{number}@mail.example.net>",
        "User-Agent: Example Mailer 12.3",
        "MIME-Version: 1.0",
    ]


def plain(rng, number, size=3000):
    head = header(rng, number) + ["Content-Type: text/plain; charset=utf-8",
                                  "Content-Transfer-Encoding: 8bit", "", ""]
    head = "\r\n".join(head)
    return (head + text(rng, max(size - len(head), 100))).encode()


def html(rng, number, size=30000):
    boundary = "=_%012x" % rng.getrandbits(48)
    parts = header(rng, number) + [
        f'Content-Type: multipart/alternative; boundary="{boundary}"', "", f"--{boundary}",
        "Content-Type: text/plain; charset=utf-8", "", text(rng, 2500), f"--{boundary}",
        "Content-Type: text/html; charset=utf-8", "", "<html><head><style>",
        "body { font-family: sans-serif; margin: 0; } td { padding: 4px 8px; }", "</style></head><body>"]
    have = 0
    while have < size - 4500:
        colour = "#%06x" % rng.getrandbits(24)
        block = (f'<table width="600" cellpadding="0" cellspacing="0"><tr><td style="color:{colour}; '
                 f'font-size: {rng.randint(10, 20)}px">\r\n<p>{text(rng, 400)}</p>\r\n'
                 f'<a href="https://www.example.net/c/{rng.getrandbits(64):016x}">{sentence(rng)}</a>'
                 "</td></tr></table>")
        parts.append(block)
        have += len(block) + 2
    parts += ["</body></html>", f"--{boundary}--", ""]
    return "\r\n".join(parts).encode()


def attachment(rng, number, content):
    boundary = "=_%012x" % rng.getrandbits(48)
    encoded = base64.b64encode(content).decode()
    lines = "\r\n".join(encoded[i:i + 76] for i in range(0, len(encoded), 76))
    parts = header(rng, number) + [
        f'Content-Type: multipart/mixed; boundary="{boundary}"', "", f"--{boundary}",
        "Content-Type: text/plain; charset=utf-8", "", text(rng, 1500), f"--{boundary}",
        'Content-Type: application/pdf; name="document.pdf"', "Content-Transfer-Encoding: base64",
        'Content-Disposition: attachment; filename="document.pdf"', "", lines, f"--{boundary}--", ""]
    return "\r\n".join(parts).encode()


def messages(count=2000, seed=20261123):
    rng = random.Random(seed)
    # As a PDF is: mostly compressed streams, which compress no further.
    shared = rng.randbytes(148_000)
    made = []
    for number in range(count):
        kind = number % 10
        if kind < 6:
            made.append(plain(rng, number))
        elif kind < 8:
            made.append(html(rng, number))
        else:
            own = rng.random() < 0.25
            made.append(attachment(rng, number, rng.randbytes(148_000) if own else shared))
    return made


def small_messages(count=2000, seed=3):
    rng = random.Random(seed)
    return [plain(rng, number) for number in range(count)]


def write(path, made):
    with open(path, "wb") as file:
        for message in made:
            assert b"\n." not in message and message.endswith(b"\r\n")
            assert message.count(b"\n") == message.count(b"\r\n") == message.count(b"\r")
            file.write(struct.pack("<I", len(message)) + message)
    return sum(map(len, made))
