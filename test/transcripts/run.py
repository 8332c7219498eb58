#!/usr/bin/env python3
"""Protocol transcripts against a real service. Prints TAP.

    test/transcripts/run.py [FILE.t ...]       all of test/transcripts/*/*.t without one

The folder's name is the protocol (imap, smtp). Each file is one small case with a mailbox of its own.
Its lines:

    # a comment
    include NAME             the lines of NAME.inc beside it
    option NAME = VALUE      the service runs with it (cases with the same options share one)
    connect A [tls]          opens connection A and makes it the current one
    login A                  connect, read the greeting, log in
    starttls A               the TLS handshake, after the dialogue before it
    close A                  closes our end
    message NAME             the lines from here to "end" are bytes ${NAME}, with CRLF
    repeat NAME COUNT TEXT   ${NAME} is TEXT so many times
    deliver NAME             hands ${NAME} to the case's mailbox over SMTP
    kill ROLE                SIGKILL to that process of the service
    C: text                  sends text and CRLF on the current connection
    C- text                  sends text without a line end; \\r \\n \\0 \\xNN \\\\ as in C
    S: text                  the next line from the service is this
    S| text                  several in a row: the next lines are these, in any order
    S~ text                  reads on until a line is this
    S$                       the service has closed the connection
    B: text                  any of the above with a connection's name instead: CB: SB: ...

In text ${name} is a variable: user, password, plain (base64 for SASL PLAIN), length_NAME of a message,
or what a pattern has taken; {{regex}} matches and {{name=regex}} matches and takes.
"""
import base64
import glob
import os
import re
import socket
import ssl
import sys
import tempfile
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))
from service import Service, wait_for  # noqa: E402

TIMEOUT = float(os.environ.get("TEST_WAIT", "30"))


class Mismatch(Exception):
    pass


class Connection:
    def __init__(self, port, context=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        self.data = b""
        if context is not None:
            self.starttls(context)

    def starttls(self, context):
        self.socket = context.wrap_socket(self.socket)

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        while b"\n" not in self.data:
            try:
                more = self.socket.recv(65536)
            except (TimeoutError, socket.timeout):
                raise Mismatch(f"nothing came; so far {self.data!r}") from None
            except (ConnectionResetError, ssl.SSLError):
                more = b""
            if not more:
                return None
            self.data += more
        line, self.data = self.data.split(b"\n", 1)
        return line.rstrip(b"\r").decode("utf-8", "surrogateescape")

    def close(self):
        self.socket.close()


class Case:
    def __init__(self, path, service, number):
        self.path = path
        self.service = service
        self.protocol = os.path.basename(os.path.dirname(path))
        user = f"{os.path.basename(path)[:-2].replace('_', '.')}{number}@example.test"
        password = service.add_alias(user)
        plain = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        self.variables = {"user": user, "password": password, "plain": plain}
        self.messages = {}
        self.connections = {}
        self.current = None

    def expand(self, text):
        return re.sub(r"\$\{(\w+)\}", lambda m: self.variables[m.group(1)], text)

    def pattern(self, text):
        """A regular expression for a line, and the names that its groups take."""
        parts, names = [], []
        for piece in re.split(r"(\{\{.*?\}\}(?!\}))", text):
            if piece.startswith("{{"):
                name, equals, regex = piece[2:-2].partition("=")
                if equals and re.fullmatch(r"\w+", name):
                    names.append(name)
                    parts.append(f"({regex})")
                else:
                    parts.append(f"(?:{piece[2:-2]})")
            else:
                parts.append(re.escape(self.expand(piece)))
        return re.compile("".join(parts), re.S), names

    def matches(self, text, line):
        if line is None:
            return False
        regex, names = self.pattern(text)
        found = regex.fullmatch(line)
        if found:
            self.variables.update(zip(names, found.groups()))
        return found is not None

    def connection(self, name):
        return self.connections[name or self.current]

    def connect(self, name, tls=False):
        port = {"smtp": self.service.smtp_port}.get(self.protocol, self.service.imap_port)
        if tls:
            port = self.service.imaps_port
        self.connections[name] = Connection(port, self.context() if tls else None)
        self.current = name

    def context(self):
        context = self.service.tls()
        context.check_hostname = False
        return context

    def login(self, name):
        self.connect(name)
        connection = self.connection(name)
        connection.line()
        connection.send(self.expand("login LOGIN ${user} ${password}\r\n").encode())
        line = connection.line()
        if not line or not line.startswith("login OK"):
            raise Mismatch(f"login: {line!r}")

    def deliver(self, name):
        self.service.send(self.variables["user"], self.messages[name])

    def any_order(self, connection, texts):
        left = list(texts)
        while left:
            line = connection.line()
            for text in left:
                if self.matches(text, line):
                    left.remove(text)
                    break
            else:
                raise Mismatch(f"got {line!r}, wanted one of {left}")

    def dialogue(self, kind, name, text):
        connection = self.connection(name)
        if kind == "C:":
            connection.send(self.expand(text).encode("utf-8", "surrogateescape") + b"\r\n")
        elif kind == "C-":
            raw = self.expand(text).encode("utf-8").decode("unicode_escape").encode("latin-1")
            connection.send(raw)
        elif kind == "S:":
            line = connection.line()
            if not self.matches(text, line):
                raise Mismatch(f"got    {line!r}\nwanted {self.expand(text)!r}")
        elif kind == "S~":
            seen = []
            line = connection.line()
            while not self.matches(text, line):
                seen.append(line)
                if line is None:
                    raise Mismatch(f"wanted {self.expand(text)!r}\nsaw    {seen[-20:]}")
                line = connection.line()
        elif kind == "S$":
            line = connection.line()
            if line is not None:
                raise Mismatch(f"got {line!r}, wanted the end")

    def kill(self, role):
        before = self.service.children()[role]
        os.kill(before, 9)
        wait_for(lambda: self.service.children().get(role, before) != before, f"another {role}")

    def run(self):
        places, lines = zip(*lines_of(self.path))
        at = 0
        while at < len(lines):
            self.where = places[at]
            line = lines[at]
            at += 1
            if not line.strip() or line.startswith("#") or line.startswith("option "):
                continue
            dialogue = re.fullmatch(r"([CS])(\w*)([:\-|~$]) ?(.*)", line)
            if dialogue:
                who, name, how, text = dialogue.groups()
                if how != "|":
                    self.dialogue(who + how, name, text)
                    continue
                texts = [text]
                while at < len(lines) and lines[at].startswith(f"S{name}|"):
                    texts.append(lines[at][len(name) + 3:])
                    at += 1
                self.any_order(self.connection(name), texts)
                continue
            word, *rest = line.split()
            if word == "message":
                end = lines.index("end", at)
                text = "".join(piece + "\r\n" for piece in lines[at:end])
                self.messages[rest[0]] = text.encode()
                self.variables[rest[0]] = text
                self.variables[f"length_{rest[0]}"] = str(len(text.encode()))
                at = end + 1
            elif word == "connect":
                self.connect(rest[0], "tls" in rest)
            elif word == "login":
                self.login(rest[0])
            elif word == "starttls":
                self.connection(rest[0]).starttls(self.context())
            elif word == "close":
                self.connection(rest[0]).close()
            elif word == "use":
                self.current = rest[0]
            elif word == "repeat":
                name, count, text = re.fullmatch(r"repeat (\w+) (\d+) (.+)", line).groups()
                self.variables[name] = self.expand(text) * int(count)
            elif word == "deliver":
                self.deliver(rest[0])
            elif word == "kill":
                self.kill(rest[0])
            else:
                raise Mismatch(f"no such line: {line!r}")

    def done(self):
        for connection in self.connections.values():
            connection.close()


def lines_of(path):
    """(where, line) of a case, with what it includes."""
    found = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file.read().split("\n"), 1):
            word, _, name = line.partition(" ")
            if word == "include":
                included = os.path.join(os.path.dirname(path), name + ".inc")
                found += [(f"{name}.inc {where}", text) for where, text in lines_of(included)]
            else:
                found.append((str(number), line))
    return found


def options_of(path):
    options = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith("option "):
                name, _, value = line[7:].partition("=")
                options[name.strip()] = value.strip()
    return tuple(sorted(options.items()))


def run_case(path, service, number):
    """Prints its line of TAP; false when it failed."""
    name = os.path.relpath(path, HERE)
    case = None
    try:
        case = Case(path, service, number)
        case.run()
        print(f"ok {number} - {name}", flush=True)
        return True
    except Exception as error:  # pylint: disable=broad-except
        print(f"not ok {number} - {name}", flush=True)
        where = getattr(case, "where", 0)
        text = str(error) if isinstance(error, Mismatch) else traceback.format_exc()
        print("\n".join(f"# line {where}: {part}" for part in text.splitlines()), flush=True)
        return False
    finally:
        if case is not None:
            case.done()


def faults_of(service):
    """What the sanitizers wrote, leaks included: after the service has ended."""
    return re.findall(r".*(?:ERROR: \w+Sanitizer|runtime error:).*", service.log_text())


def main():
    paths = sys.argv[1:] or sorted(glob.glob(os.path.join(HERE, "*", "*.t")))
    groups = {}
    for path in paths:
        path = os.path.abspath(path)
        groups.setdefault(options_of(path), []).append(path)
    print(f"1..{len(paths) + len(groups)}", flush=True)
    number = failed = 0
    for options, group in sorted(groups.items()):
        with tempfile.TemporaryDirectory(prefix="postkasse-test-") as folder:
            with Service(options=dict(options), folder=folder) as service:
                for path in group:
                    number += 1
                    failed += not run_case(path, service, number)
            number += 1
            faults = faults_of(service)
            failed += bool(faults)
            print(f"{'not ' if faults else ''}ok {number} - the service found no fault in itself")
            for fault in faults:
                print(f"# {fault}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
