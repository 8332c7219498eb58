#!/usr/bin/env python3
"""The command line as scripts and people use it, with the service running and without."""
import json
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import Service, Tap  # noqa: E402

ADDRESS = "hello@example.test"
USAGE, DATA, NOT_FOUND, EXISTS, DENIED, CONFIG = 64, 65, 67, 73, 77, 78


def status(service, *arguments, stdin=""):
    return service.run(*arguments, stdin=stdin, check=False).returncode


def works(service, password, address=ADDRESS):
    """Whether password opens the mailbox and all in it is sound."""
    done = service.run("mailbox", "verify", address, "--json", stdin=password + "\n", check=False)
    if done.returncode == DENIED:
        return False
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ok"] is True
    return True


def mailbox_files(service):
    return sorted(os.path.basename(path).split(".")[0] for path in service.files()
                  if "/mailboxes/" in path and path.endswith(".sqlite"))


def life_of_passwords(service):
    first = service.add_alias(ADDRESS)
    assert works(service, first)
    assert status(service, "password", "new", ADDRESS, stdin="wrong\n") == DENIED
    assert status(service, "password", "new", ADDRESS) == DENIED
    app = service.json("password", "app", ADDRESS, "--label", "phone", "--scope", "imap",
                       stdin=first + "\n")
    recovery = service.json("password", "recovery", ADDRESS, stdin=first + "\n")["password"]
    second = service.json("password", "new", ADDRESS, stdin=first + "\n")["password"]
    assert not works(service, first)
    assert works(service, second) and works(service, app["password"]) and works(service, recovery)
    # A lost password: the recovery code makes another one, again and again.
    third = service.json("password", "new", ADDRESS, stdin=recovery + "\n")["password"]
    assert not works(service, second) and works(service, third)
    listed = service.json("password", "list", ADDRESS)["passwords"]
    assert sorted(entry["kind"] for entry in listed) == ["app", "mailbox", "recovery"], listed
    phone = next(entry for entry in listed if entry["kind"] == "app")
    assert phone["label"] == "phone" and phone["scopes"] == ["imap"] and phone["last_used"]
    service.run("password", "revoke", ADDRESS, str(phone["slot"]))
    assert not works(service, app["password"])
    master = next(entry for entry in listed if entry["kind"] == "mailbox")
    assert status(service, "password", "revoke", ADDRESS, str(master["slot"])) == DENIED
    assert works(service, third)
    return third, recovery


def test_passwords_while_the_service_runs():
    with Service() as service:
        password, recovery = life_of_passwords(service)
        client = service.imap(ADDRESS, password)
        client.select("INBOX")
        client.logout()
        try:
            service.imap(ADDRESS, recovery)
        except Exception as refused:
            assert "AUTHENTICATIONFAILED" in str(refused) or "denied" in str(refused).lower(), refused
        else:
            raise AssertionError("a recovery code logged in over IMAP")


def test_passwords_while_nothing_runs():
    with Service(start=False) as service:
        password, _ = life_of_passwords(service)
        service.start()
        service.imap(ADDRESS, password).logout()


def test_domains_and_aliases():
    with Service(start=False) as service:
        assert status(service, "domain", "add", "Example.TEST") == EXISTS
        assert status(service, "domain", "add", "not a domain") == DATA
        assert service.json("domain", "add", "bücher.test")["name"] == "xn--bcher-kva.test"
        assert status(service, "alias", "add", "a@elsewhere.test") == NOT_FOUND
        assert status(service, "alias", "add", "a+b@example.test") == DATA
        alias = service.json("alias", "add", ADDRESS, "--quota", "1G")
        assert alias["quota_bytes"] == 1 << 30 and alias["ready"] is False
        assert status(service, "alias", "add", ADDRESS) == EXISTS
        made = service.json("alias", "add", "two@example.test", "--password")
        assert works(service, made["password"], "two@example.test")
        listed = service.json("alias", "list", "example.test")["aliases"]
        assert [(entry["address"], entry["ready"]) for entry in listed] == [
            (ADDRESS, False), ("two@example.test", True)], listed
        assert status(service, "domain", "remove", "example.test") == 69
        assert mailbox_files(service) == [made["mailbox"]]
        service.run("alias", "remove", "two@example.test")
        assert mailbox_files(service) == []
        service.run("alias", "remove", ADDRESS)
        assert status(service, "alias", "remove", ADDRESS) == NOT_FOUND
        service.run("domain", "remove", "example.test")
        assert [entry["name"] for entry in service.json("domain", "list")["domains"]] == [
            "xn--bcher-kva.test"]


def test_errors_for_people_and_for_scripts():
    with Service(start=False) as service:
        done = service.run("alias", "add", "a@elsewhere.test", check=False)
        assert done.stdout == "" and done.stderr == "postkasse: no such domain: elsewhere.test\n"
        done = service.run("alias", "add", "a@elsewhere.test", "--json", check=False)
        assert json.loads(done.stderr)["error"] == "not_found" and done.stdout == ""
        for arguments in ((), ("nonsense",), ("domain",), ("domain", "add"),
                          ("domain", "add", "a", "b"), ("domain", "list", "--nonsense")):
            assert status(service, *arguments) == USAGE, arguments
        with open(service.config, "a", encoding="utf-8") as file:
            file.write("no_such_option = 1\n")
        done = service.run("domain", "list", check=False)
        assert done.returncode == CONFIG and f"{len(service.options) + 1}:" in done.stderr, done.stderr
        assert status(service, "config", "check") == CONFIG
        service.write_config()
        assert service.json("config", "check")["ok"] is True
        options = service.json("config", "print")["options"]
        assert options["message_size_max"] == 50 << 20 and options["auth_without_tls"] is True
        os.chmod(service.options["host_key_file"], 0o644)
        done = service.run("domain", "list", check=False)
        assert done.returncode == DENIED and "host_key_file" in done.stderr, done.stderr


def test_init_again_and_from_nothing():
    with Service(start=False) as service:
        before = {name: open(service.options[name], "rb").read()
                  for name in ("host_key_file", "tls_certificate_file", "tls_key_file")}
        assert os.stat(service.options["host_key_file"]).st_mode & 0o777 == 0o400
        assert len(before["host_key_file"]) == 32
        made = service.json("init", "--alias", "first@second.test")
        assert works(service, made["password"], "first@second.test")
        assert service.run("init", "--alias", "first@second.test", "--json").stdout == ""
        for name, content in before.items():
            assert open(service.options[name], "rb").read() == content, name
        # A certificate for a key that is there; and a configuration where there is none.
        os.unlink(service.options["tls_certificate_file"])
        assert service.json("init")["certificate"]["made"] is True
        assert open(service.options["tls_key_file"], "rb").read() == before["tls_key_file"]
        service.run("config", "check")
        fresh = os.path.join(service.folder, "fresh", "postkasse.conf")
        environment = {f"POSTKASSE_{name.upper()}": os.path.join(service.folder, "fresh", name)
                       for name in ("data_dir", "run_dir", "host_key_file", "tls_certificate_file",
                                    "tls_key_file")}
        subprocess.run([service.binary, "--config", fresh, "init", "--hostname", "mx.example.org"],
                       env={**os.environ, **environment}, check=True, capture_output=True)
        text = subprocess.run(["openssl", "x509", "-noout", "-text", "-in",
                               environment["POSTKASSE_TLS_CERTIFICATE_FILE"]],
                              check=True, capture_output=True, text=True).stdout
        assert "DNS:mx.example.org" in text and "DNS:localhost" in text
        assert "hostname = mx.example.org" in open(fresh, encoding="utf-8").read().splitlines()


def test_several_at_once():
    """Without a service they take turns; none fails."""
    with Service(start=False) as service:
        command = [service.binary, "--config", service.config, "alias", "add"]
        running = [subprocess.Popen([*command, f"a{number}@example.test"], stdout=subprocess.DEVNULL,
                                    stderr=subprocess.PIPE) for number in range(6)]
        for process in running:
            _, complaint = process.communicate(timeout=120)
            assert process.returncode == 0, complaint
        assert len(service.json("alias", "list")["aliases"]) == 6


def killed_somewhere(service, *arguments, stdin=""):
    """Runs a command that is killed after a random time; returns what it printed until then."""
    process = subprocess.Popen([service.binary, "--config", service.config, *arguments],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, start_new_session=True)
    process.stdin.write(stdin.encode())
    process.stdin.close()
    time.sleep(random.uniform(0, killed_somewhere.longest))  # the moment is what is tried
    try:
        os.kill(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    printed = process.stdout.read()
    process.wait()
    return json.loads(printed)["password"] if printed.endswith(b"}\n") else None


killed_somewhere.longest = 1.0


def changes_under_fire(service):
    """Until enough were killed in the middle and enough came to their end, wherever this runs."""
    random.seed(20261123)
    start = time.monotonic()
    password = service.add_alias(ADDRESS)
    killed_somewhere.longest = (time.monotonic() - start) * 0.8
    finished = interrupted = 0
    while finished < 4 or interrupted < 10:
        shown = killed_somewhere(service, "password", "new", ADDRESS, "--json", stdin=password + "\n")
        if shown is not None:
            assert works(service, shown), "a password that was shown does not work"
            password = shown
            finished += 1
        else:
            assert works(service, password), "neither the old nor a new password works"
            interrupted += 1
        killed_somewhere.longest *= 1.1 if finished < interrupted else 0.9
        assert finished + interrupted < 200, (finished, interrupted)
    # And it can still be changed in peace.
    fresh = service.json("password", "new", ADDRESS, stdin=password + "\n")["password"]
    assert works(service, fresh) and not works(service, password)


def test_changes_killed_while_the_service_runs():
    with Service() as service:
        changes_under_fire(service)


def test_changes_killed_while_nothing_runs():
    with Service(start=False) as service:
        changes_under_fire(service)


def test_creation_killed():
    with Service() as service:
        random.seed(20261124)
        for number in range(10):
            address = f"a{number}@example.test"
            service.run("alias", "add", address)
            shown = killed_somewhere(service, "password", "new", address, "--json")
            ready = next(entry for entry in service.json("alias", "list")["aliases"]
                         if entry["address"] == address)["ready"]
            if ready:
                assert shown is not None, "mail is taken for a mailbox that nobody can open"
            else:
                shown = service.json("password", "new", address)["password"]
            assert works(service, shown, address)
        service.run("alias", "add", "last@example.test", "--password")
        known = sorted(entry["mailbox"] for entry in service.json("alias", "list")["aliases"])
        assert mailbox_files(service) == known


def test_completion():
    with Service(start=False) as service:
        script = service.run("completion", "bash").stdout
        for words, expected in ((["pass"], ["password"]), (["password", "re"], ["recovery", "revoke"]),
                                (["domain", "add", "--js"], ["--json"]),
                                (["--config", "x", "mail"], ["mailbox"])):
            quoted = " ".join(f"'{word}'" for word in ["postkasse", *words])
            done = subprocess.run(
                ["bash", "-c", f"{script}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words)}; _postkasse; "
                 "printf '%s\\n' \"${COMPREPLY[@]}\""], capture_output=True, text=True, check=True)
            assert done.stdout.split() == expected, (words, done.stdout, done.stderr)


def test_result_that_cannot_be_written():
    """A password that its owner cannot have seen is none."""
    with Service(start=False) as service:
        service.run("alias", "add", ADDRESS)
        with open("/dev/full", "wb") as full:
            done = subprocess.run([service.binary, "--config", service.config, "password", "new",
                                   ADDRESS], stdout=full, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 74, done
        assert service.json("alias", "list")["aliases"][0]["ready"] is False
        password = service.json("password", "new", ADDRESS)["password"]
        with open("/dev/full", "wb") as full:
            done = subprocess.run([service.binary, "--config", service.config, "password", "new",
                                   ADDRESS], stdout=full, stderr=subprocess.PIPE, check=False,
                                  input=password.encode() + b"\n")
        assert done.returncode == 74, done
        assert works(service, password)


if __name__ == "__main__":
    Tap(globals()).main()
