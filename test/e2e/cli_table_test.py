#!/usr/bin/env python3
"""Every command, as `postkasse help` lists them, with everything that can be wrong around it: words, output,
rights, files, and a service of another version."""
import concurrent.futures
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import termios
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import BINARY, Service, Tap, wait_for  # noqa: E402

ADDRESS, OTHER = "hello@example.test", "other@example.test"
USAGE, DATA, NOT_FOUND, UNAVAILABLE, EXISTS, IO, DENIED, CONFIG = 64, 65, 67, 69, 73, 74, 77, 78
ROOT_USER = os.geteuid() == 0
STRANGER = 64999
# Command → arguments that it is content with; {} becomes another number each time.
COMMANDS = {
    "init": [], "serve": [],
    "domain add": ["new{}.test"], "domain list": [], "domain remove": ["away{}.test"],
    "alias add": ["new{}@example.test"], "alias list": ["example.test"],
    "alias remove": ["away{}@example.test"], "alias disable": [OTHER], "alias enable": [OTHER],
    "password new": [ADDRESS], "password app": [ADDRESS], "password recovery": [ADDRESS],
    "password list": [ADDRESS], "password revoke": [ADDRESS, "{}"],
    "status": [], "session list": [ADDRESS], "session end": [ADDRESS],
    "login list": [], "login unlock": [ADDRESS],
    "mailbox list": [], "mailbox verify": [ADDRESS], "mailbox copy": [ADDRESS, "copy{}"],
    "mailbox accept": [ADDRESS], "mailbox attach": ["new{}@example.test", "0" * 24],
    "link authority": ["authority{}"], "link certificate": ["authority{}", "host", "192.0.2.1"],
    "config check": [], "config print": [], "completion bash": [], "help": ["domain"], "version": [],
}
# Those that ask nothing of an installation.
ALONE = {"link authority", "link certificate", "completion bash", "help", "version"}
# What a person would not like to see on a terminal, but a program may be given.
ODD = [b"\xff\xfe@example.test", "\u0085\u009b31m@example.test".encode(), "a\u202eb@example.test".encode(),
       b"a" * 300 + b"@example.test", b"a" * 300, b"..", b"-"]


def run(config, command, *arguments, stdin=b"", **more):
    return subprocess.run([BINARY, "--config", config, *command.split(), *arguments], input=stdin,
                          capture_output=True, timeout=60, check=False, **more)


def each(check, commands=None):
    """Calls check(command) for all, several at a time; what the first fails with is the test's failure."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(check, command) for command in commands or COMMANDS]:
            done.result()


def said(done, code, words=b""):
    """One sentence, to standard error, and nothing else."""
    assert done.returncode == code, done
    assert done.stdout == b"", done
    assert re.fullmatch(rb"postkasse: [^\n]+[^\n ]\n", done.stderr) and words in done.stderr, done


def nothing_raw(done):
    text = (done.stdout + done.stderr).decode()  # valid UTF-8
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]", text), done
    assert b"Sanitizer" not in done.stderr, done


def test_the_table_has_every_command():
    printed = subprocess.run([BINARY, "help"], capture_output=True, text=True, check=True).stdout
    listed = re.findall(r"^  (\w+(?: [a-z]+)?)", printed, re.M)
    assert sorted(listed) == sorted(COMMANDS), set(listed) ^ set(COMMANDS)


def test_words():
    missing = "/nonexistent/postkasse.conf"  # what is wrong with the words is found before it is looked for

    def check(command):
        helped = run(missing, command, "--help")
        assert helped.returncode == 0 and helped.stderr == b"", helped
        wanted = b"Usage: postkasse " + (b"[--config FILE] COMMAND" if command == "help" else command.encode())
        assert helped.stdout.startswith(wanted), helped
        if command != "help":
            assert run(missing, "help " + command).stdout == helped.stdout
        has_json = b"--json" in helped.stdout
        right = [argument.format(0) for argument in COMMANDS[command]]
        wrong = {
            b"unknown option: --nonsense": right + ["--nonsense"],
            b"too many arguments": right + ["x"] * 5,
            b"is empty": right + [""],
            b"holds a control character": right + ["a\nb"],
            b"character: a?[31m": right + ["a\x1b[31m"],
            b"character: ?": ["\x7f"],
            b"character: a?b": ["a\tb"],
        }
        usage = re.match(rb"Usage: postkasse [a-z ]*(.*) \[OPTION...\]", helped.stdout)
        if right and usage and not usage.group(1).startswith(b"["):
            wrong[b"too few arguments"] = right[:-1] if command != "link certificate" else right[:2]
        for words, arguments in wrong.items():
            done = run(missing, command, *arguments)
            said(done, USAGE, words)
            if b"too " in words:
                assert done.stderr.startswith(b"postkasse: " + command.encode() + b": too"), done
            if has_json and b"character: " not in words:
                done = run(missing, command, "--json", *arguments)
                text = json.loads(done.stderr)
                assert done.returncode == USAGE and text["error"] == "invalid" and done.stdout == b"", done
                assert words in text["text"].encode(), done
        if not has_json:
            done = run(missing, command, *right, "--json")
            assert done.returncode == USAGE and "has no option --json" in json.loads(done.stderr)["text"]
        if command not in ALONE | {"init", "serve"}:
            said(run(missing, command, *right), CONFIG, b"No such file or directory")

    each(check)
    done = run(missing, "serve")
    assert done.returncode == CONFIG and b"No such file or directory" in done.stderr, done
    for words in (("--ready-fd", "x"), ("--ready-fd", "99"), ("--ready-fd", "-1"), ("--ready-fd",)):
        said(run(missing, "serve", *words), USAGE, b"--ready-fd")
    for word in ("--config=", "--config"):
        done = subprocess.run([BINARY, "status", word], capture_output=True, check=False)
        said(done, USAGE, b"--config")


class Numbers:
    """Arguments that no call before had."""

    def __init__(self, service):
        self.service, self.last, self.lock = service, 0, threading.Lock()

    def of(self, command):
        with self.lock:
            self.last += 1
            number = self.last
        words = [word.format(number) for word in COMMANDS[command]]
        if command == "domain remove":
            self.service.run("domain", "add", words[0])
        if command == "alias remove":
            self.service.run("alias", "add", words[0])
        if command == "password revoke":
            app = self.service.json("password", "app", ADDRESS, "--current-file", self.service.current)
            words[1] = str(app["slot"])
        if command == "link certificate":
            self.service.run("link", "authority", os.path.join(self.service.folder, words[0]))
            words += ["--role", "imap"]
        options = {"alias remove": ["--yes"], "mailbox accept": ["--yes"]}.get(command, [])
        if command in ("password new", "password app", "password recovery", "mailbox verify"):
            options = ["--current-file", self.service.current]
        return words + options


def with_mailbox(service):
    password = service.json("alias", "add", ADDRESS, "--password")["password"]
    service.run("alias", "add", OTHER)
    service.current = os.path.join(service.folder, "current")
    with open(service.current, "w", encoding="ascii") as file:
        file.write(password + "\n")
    os.chmod(service.current, 0o644)
    return password


def odd_arguments(service):
    def check(command):
        for odd in ODD:
            for place in range(len(COMMANDS[command])):
                words = [word.format("x") for word in COMMANDS[command]]
                words[place] = odd
                done = run(service.config, command, "--", *words, cwd=service.folder)
                nothing_raw(done)
                assert done.returncode in (USAGE, DATA, NOT_FOUND, EXISTS, IO, DENIED) or (
                    done.returncode == 0 and command in ("link authority", "mailbox copy")), done
                assert done.stderr.count(b"\n") <= 1, done
                if len(odd) == 300 and done.returncode == IO:
                    assert done.stderr.endswith(b": File name too long\n"), done
        for odd in ODD[:3]:
            if command in ("help", "completion bash", "serve") or not COMMANDS[command]:
                continue
            words = [odd, *(word.format("x") for word in COMMANDS[command][1:])]
            done = run(service.config, command, "--json", "--", *words, cwd=service.folder)
            nothing_raw(done)
            json.loads(done.stdout or done.stderr)

    each(check)
    for option in ("--label", "--scope", "--current-file"):
        for odd in ODD[:4]:
            done = run(service.config, "password app", ADDRESS, option, odd, stdin=b"wrong\n")
            nothing_raw(done)
            assert done.returncode in (DATA, NOT_FOUND, IO, DENIED), done


def output_that_cannot_be_written(service, numbers):
    def check(command, broken):
        words = numbers.of(command)
        if "closed" in broken:
            shell = 'exec "$@" >&- </dev/null' if broken == "closed" else 'exec "$@" >&- <&-'
        else:
            shell = 'exec "$@" >/dev/full </dev/null'
        done = subprocess.run(["sh", "-c", shell, "sh", BINARY, "--config", service.config,
                               *command.split(), *words], capture_output=True, timeout=60, check=False,
                              cwd=service.folder)
        silent = {"session list": 0, "login list": 0, "session end": NOT_FOUND, "login unlock": NOT_FOUND,
                  "mailbox accept": NOT_FOUND, "mailbox attach": NOT_FOUND}
        if command in silent:  # here nothing would have been written
            assert done.returncode == silent[command], done
        else:
            said(done, IO, b"writing the result failed: ")

    for broken in ("full", "closed", "closed, both"):
        each(lambda command, broken=broken: check(command, broken), set(COMMANDS) - {"serve"})
    # What nobody has seen is no password, and does not lie about for ever.
    kept = service.json("password", "list", ADDRESS)["passwords"]
    assert [entry["kind"] for entry in kept if entry["kind"] == "recovery"] == [], kept
    assert len([entry for entry in kept if entry["kind"] == "mailbox" and not entry["replaced"]]) == 1, kept
    assert service.run("mailbox", "verify", ADDRESS, "--current-file", service.current).stdout


def strangers(service):
    """An ordinary user is told which right is missing."""
    def check(command):
        done = run(service.config, command, *(word.format(1) for word in COMMANDS[command]),
                   user=STRANGER, group=STRANGER, extra_groups=[], cwd="/")
        nothing_raw(done)
        if command in ("config check", "serve"):
            assert done.returncode == CONFIG and b"Permission denied" in done.stderr, done
        elif command == "config print":
            assert done.returncode == 0, done
        elif command == "mailbox copy":
            said(done, DENIED, b"copy1: Permission denied")
        else:
            said(done, DENIED, b"Permission denied: only root")

    each(check, set(COMMANDS) - ALONE)


def empty_lists(service):
    for command in ("session list", "login list"):
        done = run(service.config, command)
        assert done.returncode == 0 and done.stdout == done.stderr == b"", done
        [rows] = [value for value in json.loads(run(service.config, command, "--json").stdout).values()
                  if isinstance(value, list)]
        assert rows == []
        master, slave = pty.openpty()
        done = subprocess.run([BINARY, "--config", service.config, *command.split()], stdin=slave,
                              stdout=subprocess.PIPE, stderr=slave, timeout=60, check=False)
        text = os.read(master, 1000)
        os.close(master)
        os.close(slave)
        assert done.returncode == 0 and done.stdout == b"", done
        assert text == f"postkasse: {command}: there are none\r\n".encode(), text


def test_a_service_that_runs():
    with Service() as service:
        with_mailbox(service)
        numbers = Numbers(service)
        empty_lists(service)
        odd_arguments(service)
        output_that_cannot_be_written(service, numbers)
        if ROOT_USER:
            strangers(service)
        assert service.stop() == 0


def echoes(terminal):
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)


def read_until(terminal, words):
    text = b""
    while words not in text:
        text += os.read(terminal, 1000)
    return text


def test_a_terminal_is_left_as_it_was():
    """Whoever breaks off at the question for a password gets a terminal that shows what is typed."""
    with Service(start=False) as service:
        password = with_mailbox(service)
        for signals in ((signal.SIGINT,), (signal.SIGTERM,), (signal.SIGHUP,), (signal.SIGTSTP,), ()):
            master, slave = pty.openpty()
            running = subprocess.Popen([BINARY, "--config", service.config, "mailbox", "verify", ADDRESS],
                                       stdin=slave, stdout=subprocess.PIPE, stderr=slave)
            read_until(master, b"Current password of hello@example.test: ")
            wait_for(lambda: not echoes(slave), "the silence")
            for number in signals:
                running.send_signal(number)
                if number == signal.SIGTSTP:
                    os.waitpid(running.pid, os.WUNTRACED)
                    assert echoes(slave)
                    running.send_signal(signal.SIGCONT)
                    read_until(master, b"Current password of hello@example.test: ")
                    wait_for(lambda: not echoes(slave), "the silence again")
                else:
                    assert running.wait(60) == -number
            if not signals or signals[0] == signal.SIGTSTP:
                os.write(master, password.encode() + b"\n")
                printed, _ = running.communicate(timeout=60)
                assert running.returncode == 0 and b"sound" in printed, printed
                assert password.encode() not in os.read(master, 1000)
            assert echoes(slave)
            running.stdout.close()
            os.close(master)
            os.close(slave)


def answer_as_another_version(service):
    path = os.path.join(service.options["run_dir"], "control.sock")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()

        def answer():
            connection, _ = listening.accept()
            with connection:
                connection.sendall(b"service version=99.1 pid=1 seconds=5 phase=serving\n"
                                   b"process kind=imap index=0 pid=2 seconds=1 restarts=1 ready=1\n")

        thread = threading.Thread(target=answer)
        thread.start()
        done = service.run("status", check=False)
        thread.join()
    os.unlink(path)
    assert "warning: version 99.1 runs, " in done.stdout and "restart it" in done.stdout, done
    assert ", 1 restart\n" in done.stdout, done


def refused_by_all(service, sentence, codes, prefix=(), commands=None):
    """Each says what is wrong at once, and makes nothing."""
    def check(command):
        words = [word.format(1) for word in COMMANDS[command]]
        if command in ("password new", "password app", "password recovery", "mailbox verify",
                       "mailbox attach"):
            words += ["--current-file", service.current]
        if command in ("alias remove", "mailbox accept"):
            words += ["--yes"]
        done = subprocess.run([*prefix, BINARY, "--config", service.config, *command.split(), *words],
                              input=b"", capture_output=True, timeout=15, check=False, cwd=service.folder)
        if command == "status":
            said(done, UNAVAILABLE, b"the service does not run")
        else:
            said(done, done.returncode, sentence)
            assert done.returncode in codes, done

    each(check, commands or set(COMMANDS) - ALONE - {"serve", "init", "config print"})


def test_files_that_are_not_as_they_should_be():
    with Service(start=False) as service:
        with_mailbox(service)
        answer_as_another_version(service)
        os.rename(service.data, service.data + ".away")
        refused_by_all(service, b"has postkasse init been run?", (NOT_FOUND, CONFIG))
        assert not os.path.exists(service.data) and not os.path.exists(os.path.join(service.folder, "copy1"))
        os.rename(service.data + ".away", service.data)
        key = service.options["host_key_file"]
        os.rename(key, key + ".right")
        with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o400), "wb") as file:
            file.write(os.urandom(32))
        refused_by_all(service, b"is not the key that the data in", (DENIED, CONFIG))
        os.rename(key + ".right", key)
        if ROOT_USER and shutil.which("unshare"):
            folder = service.data
            mounted = ["unshare", "--mount", "sh", "-c",
                       f"mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} && exec \"$@\"",
                       "sh"]
            refused_by_all(service, b"Read-only file system", (IO,), mounted,
                           set(COMMANDS) - ALONE - {"serve", "init", "config print", "config check"})
        with open(service.config, "a", encoding="ascii") as file:
            file.write("no_such_option = 1\n")
        done = run(service.config, "status")
        said(done, CONFIG, b"no_such_option")
        refused_by_all(service, b"no_such_option", (CONFIG,), commands=set(COMMANDS) - ALONE -
                       {"serve", "init", "status"})


if __name__ == "__main__":
    Tap(globals()).main()
