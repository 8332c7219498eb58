#!/usr/bin/env python3
"""The command line as scripts and people use it, with the service running and without."""
import imaplib
import json
import os
import random
import signal
import smtplib
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import Service, Tap, message, sockets, wait_for  # noqa: E402

ADDRESS = "hello@example.test"
USAGE, DATA, NOT_FOUND, UNAVAILABLE, EXISTS, DENIED, CONFIG = 64, 65, 67, 69, 73, 77, 78


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
        assert status(service, "alias", "list", "nosuch.test") == NOT_FOUND
        assert status(service, "domain", "add", "Example.TEST") == EXISTS
        assert status(service, "domain", "add", "not a domain") == DATA
        assert service.json("domain", "add", "bücher.test")["name"] == "xn--bcher-kva.test"
        assert status(service, "alias", "add", "a@elsewhere.test") == NOT_FOUND
        assert status(service, "alias", "add", "a+b@example.test") == DATA
        done = service.run("alias", "add", "*@example.test", check=False)
        assert done.returncode == DATA and "all of a domain's" in done.stderr, done
        # Two names that people tell apart are two: no case folding of a sharp s.
        assert service.json("alias", "add", "Grüße@example.test")["address"] == "grüße@example.test"
        assert service.json("alias", "add", "grüsse@example.test")["address"] == "grüsse@example.test"
        for other in ("grüße@example.test", "grüsse@example.test"):
            service.run("alias", "remove", other, "--yes")
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
        for answer in ("no\n", "", "y\n", "\n"):
            done = service.run("alias", "remove", "two@example.test", stdin=answer, check=False)
            assert done.returncode == 1 and "nothing was done" in done.stderr, (answer, done)
        assert mailbox_files(service) == [made["mailbox"]]
        service.run("alias", "remove", "two@example.test", stdin="yes\n")
        assert mailbox_files(service) == []
        service.run("alias", "remove", ADDRESS, "--yes")
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
                          ("domain", "add", "a", "b"), ("domain", "list", "--nonsense"),
                          ("help", "nonsense"), ("help", "domain", "nonsense"),
                          ("--json", "serve")):
            assert status(service, *arguments) == USAGE, arguments
        for arguments in ((), ("nonsense",), ("domain", "list", "--nonsense"), ("help", "--", "--help"),
                          ("status", "a"), ("domain", "list", *"abcdefghij"), ("mailbox", "verify")):
            done = service.run(*arguments, "--json", check=False) if "--" not in arguments else \
                service.run("--json", *arguments, check=False)
            said = json.loads(done.stderr)
            assert done.returncode == USAGE and said["error"] == "invalid", done
            assert said["text"] == said["text"].strip(), said
            if len(arguments) > 2 and "list" in arguments:
                assert said["text"].startswith(("domain list: too many", "unknown option")), said
        assert service.run("--version").stdout == service.run("version").stdout != ""
        # What can be found out without a password is found out before one is asked for: none is given.
        service.run("alias", "add", ADDRESS, "--password")
        for arguments, code in (
                (("password", "app", ADDRESS, "--scope", "imap,nonsense"), DATA),
                (("password", "app", ADDRESS, "--label", "x" * 200), DATA),
                (("password", "app", "nosuch@example.test"), NOT_FOUND),
                (("password", "revoke", ADDRESS, "nonsense"), DATA),
                (("password", "new", ADDRESS, "--current-file", "/nonexistent"), NOT_FOUND),
                (("mailbox", "verify", "nosuch@example.test"), NOT_FOUND),
                (("alias", "remove", "nosuch@example.test"), NOT_FOUND)):
            assert status(service, *arguments) == code, arguments
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
        again = service.json("init", "--alias", "first@second.test")
        assert "password" not in again and again["host_key"]["made"] is False, again
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
        assert "DNS:mx.example.org" in text and text.count("DNS:localhost") == 1
        assert "hostname = mx.example.org" in open(fresh, encoding="utf-8").read().splitlines()


def init(binary, config, *arguments, user=None, **environment):
    return subprocess.run([binary, "--config", config, "init", *arguments], check=False, text=True,
                          capture_output=True, user=user, env={**os.environ, **environment})


def everything(folder):
    return sorted(os.path.join(root, name) for root, folders, names in os.walk(folder)
                  for name in (*folders, *names))


def test_init_makes_all_or_nothing():
    with Service(start=False) as service:
        folder = os.path.join(service.folder, "other")
        config = os.path.join(folder, "postkasse.conf")
        places = {f"POSTKASSE_{name.upper()}": os.path.join(folder, name)
                  for name in ("data_dir", "run_dir", "host_key_file", "tls_certificate_file",
                               "tls_key_file")}
        for arguments in (("--hostname", "a b"), ("--domain", "a b"), ("--alias", "nonsense"),
                          ("--alias", "a@b c")):
            assert init(service.binary, config, *arguments, **places).returncode == DATA, arguments
        assert init(service.binary, config, POSTKASSE_HOSTNAME="a b", **places).returncode == CONFIG
        # A place that cannot be written: a file where a folder would have to be.
        blocked = os.path.join(service.folder, "blocked")
        with open(blocked, "w", encoding="ascii"):
            pass
        for name in places:
            if name != "POSTKASSE_RUN_DIR":
                done = init(service.binary, config, **{**places, name: os.path.join(blocked, "x")})
                assert done.returncode != 0 and blocked in done.stderr, (name, done)
        if os.geteuid() == 0:  # an ordinary user with the standard places, which are root's
            os.mkdir(folder)
            os.chown(folder, 65534, 65534)
            done = init(service.binary, config, user=65534)
            assert done.returncode == DENIED and "data_dir" in done.stderr, done
            os.rmdir(folder)
        assert not os.path.exists(folder), everything(folder)
        # What is left to do: all of it on standard output.
        done = init(service.binary, config, "--hostname", "localhost", **places)
        assert done.returncode == 0 and done.stderr == "", done
        for word in ("domain add example.org", "alias add", "serve", "MX", "PTR", "Port 25",
                     "set hostname"):
            assert word in done.stdout, (word, done.stdout)
        text = subprocess.run(["openssl", "x509", "-noout", "-text", "-in",
                               places["POSTKASSE_TLS_CERTIFICATE_FILE"]],
                              check=True, capture_output=True, text=True).stdout
        assert text.count("DNS:localhost") == 1, text


def test_init_of_a_host_with_fronts_only():
    with Service(start=False) as service:
        folder = os.path.join(service.folder, "front")
        os.mkdir(folder)
        config = os.path.join(folder, "postkasse.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write("roles = imap smtp\nstore_address = 192.0.2.1:7101\n"
                       "directory_address = 192.0.2.1:7102\nhostname = mx.example.org\n"
                       f"data_dir = {folder}/data\nrun_dir = {folder}/run\n"
                       f"host_key_file = {folder}/host.key\n"
                       f"tls_certificate_file = {folder}/tls.pem\ntls_key_file = {folder}/tls.key\n")
        for words in (("--domain", "example.test"), ("--alias", ADDRESS)):
            done = init(service.binary, config, *words)
            assert done.returncode == 76 and os.listdir(folder) == ["postkasse.conf"], done
        done = init(service.binary, config, "--json")
        made = json.loads(done.stdout)
        assert made["host_key"] is None and made["data"] is None and made["certificate"]["made"], made
        assert sorted(os.listdir(folder)) == ["postkasse.conf", "tls.key", "tls.pem"]


def test_config_check_finds_it():
    with Service(start=False) as service:
        def complaint(code, **options):
            before = dict(service.options)
            service.options.update(options)
            service.write_config()
            done = service.run("config", "check", check=False)
            service.options = before
            service.write_config()
            assert done.returncode == code, done
            return done.stderr

        assert "init" in complaint(CONFIG, data_dir=os.path.join(service.folder, "nowhere"))
        assert "hostname" in complaint(CONFIG, hostname="a b")
        text = complaint(CONFIG, auth_without_tls_from="127.0.0.0/8 192.168.1.0-24")
        assert 'auth_without_tls_from: "192.168.1.0-24" is neither' in text, text
        assert "xn--bcher-kva.test" in complaint(CONFIG, hostname="bücher.test")
        # Errors of TLS name the files; a key of another certificate is called that.
        other, garbage = (os.path.join(service.folder, name) for name in ("other.key", "garbage.pem"))
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-out", other], check=True, capture_output=True)
        os.chmod(other, 0o600)
        with open(garbage, "w", encoding="ascii") as file:
            file.write("nonsense")
        text = complaint(CONFIG, tls_key_file=other)
        assert "does not belong to the certificate" in text and other in text, text
        text = complaint(CONFIG, tls_certificate_file=garbage)
        assert garbage in text, text
        service.run("config", "check")


def test_config_check_opens_the_directory():
    with Service() as service:
        service.add_alias(ADDRESS)
        service.run("config", "check")  # while it is in use, too
        service.stop()
        path = service.data + "/directory/directory.sqlite"
        owner = os.stat(path)
        with open(path, "rb") as file:
            whole = file.read()

        def check(code, *words):
            done = service.run("config", "check", "--json", check=False)
            assert done.returncode == code, done
            for word in words:
                assert word in done.stderr, (word, done)

        def write(content):
            with open(path, "wb") as file:
                file.write(content)

        record = service.data + "/installation"
        os.rename(record, record + ".away")
        check(0, "no record of this installation")
        with open(service.options["host_key_file"], "rb") as file:
            key = file.read()
        os.chmod(service.options["host_key_file"], 0o600)
        with open(service.options["host_key_file"], "wb") as file:
            file.write(bytes(byte ^ 1 for byte in key) if len(key) == 32 else key[::-1])
        check(CONFIG, path, "host_key_file")
        with open(service.options["host_key_file"], "wb") as file:
            file.write(key)
        os.chmod(service.options["host_key_file"], 0o400)
        os.rename(record + ".away", record)
        write(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
        check(CONFIG, path, "first page is damaged")
        for page in range(1, len(whole) // 4096):
            at = page * 4096 + 2000
            write(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
            check(CONFIG, path)
        write(whole[:len(whole) // 4096 // 2 * 4096])
        check(CONFIG, path)
        write(b"x" * len(whole))
        check(CONFIG, path)
        write(b"")
        check(CONFIG, "put it back")
        os.remove(path)
        check(CONFIG, "put it back")
        write(whole)
        os.chown(path, owner.st_uid, owner.st_gid)
        check(0)
        for name in os.listdir(service.data + "/directory"):
            assert os.stat(service.data + "/directory/" + name).st_uid == owner.st_uid, name
        service.start()
        assert service.json("alias", "list")["aliases"][0]["address"] == ADDRESS


def test_root_administers_the_service_of_an_ordinary_user():
    """With the service running and without; nothing changes hands. As an ordinary user there is no
    root to play."""
    if os.geteuid() != 0:
        return
    with Service(start=False) as service:
        owner = 65534
        for path in (service.folder, service.data, *everything(service.folder)):
            os.chown(path, owner, owner)

        def owners():
            return {os.stat(path).st_uid for path in everything(service.data)}

        service.run("alias", "add", ADDRESS)
        assert owners() == {owner}
        secret = os.path.join(service.folder, "secret")  # root's own, also where we become another
        with open(secret, "w", encoding="ascii") as file:
            file.write(service.json("password", "new", ADDRESS)["password"])
        os.chmod(secret, 0o600)
        command = [service.binary, "--config", service.config, "serve", "--ready-fd", "1"]
        with subprocess.Popen(command, user=owner, group=owner, extra_groups=[],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              cwd=service.folder) as process:
            try:
                assert process.stdout.readline() == b"ready\n"
                service.run("mailbox", "verify", ADDRESS, "--current-file", secret)
                service.run("alias", "add", "two@example.test", "--password")
            finally:
                process.terminate()
                process.wait(60)
        assert owners() == {owner}


def test_wrong_logins_are_slowed_down_and_let_off():
    """Many wrong logins keep nobody out; an operator sees where they come from, and can forget them."""
    with Service() as service:
        password = service.add_alias(ADDRESS)
        for _ in range(5):
            try:
                service.imap(ADDRESS, "wrong")
            except imaplib.IMAP4.error as refused:
                assert "AUTHENTICATIONFAILED" in str(refused), refused
            else:
                raise AssertionError("a wrong password logged in")
        service.imap(ADDRESS, password).logout()
        assert service.json("login", "list")["failures"] == []  # a right one ends the count
        for _ in range(4):
            try:
                service.imap("nobody@example.test", "wrong")
            except imaplib.IMAP4.error:
                pass
        listed = service.json("login", "list")["failures"]
        assert [(row["address"], row["network"], row["count"]) for row in listed] == [
            ("nobody@example.test", "127.0.0.1", 4)], listed
        assert "nobody@example.test" in service.run("login", "list").stdout
        assert status(service, "login", "unlock", "192.0.2.1") == NOT_FOUND
        service.run("login", "unlock", "nobody@example.test")
        assert service.json("login", "list")["failures"] == []
        wait_for(lambda: "network=127.0.0.1" in service.log_text(), "the network in the log")


def test_a_core_that_is_stuck_or_gone_is_not_waited_for():
    """Also by a command whose work may take hours, and whatever the core was doing before."""
    with Service() as stuck, Service() as gone:
        commands = []
        for service in (stuck, gone):
            password = service.add_alias(ADDRESS)
            os.kill(service.children()["store"], signal.SIGSTOP)
            command = subprocess.Popen(
                [service.binary, "--config", service.config, "mailbox", "verify", ADDRESS],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                env=service.environment)
            command.stdin.write(password + "\n")
            command.stdin.close()
            commands.append(command)
        wait_for(lambda: all(sockets(command.pid) >= 2 for command in commands),
                 "links to directory and store")
        gone.kill()
        try:
            for command in commands:
                assert command.wait(60) == UNAVAILABLE, command.stderr.read()
                assert "the store gives no sign of life" in command.stderr.read()
        finally:
            os.kill(stuck.children()["store"], signal.SIGCONT)
            for command in commands:
                command.stderr.close()


def test_mailboxes_are_listed_and_orphans_found():
    """A file that no alias has, such as one that was put back after its alias was removed."""
    with Service(start=False) as service:
        service.add_alias(ADDRESS)
        service.add_alias("two@example.test")
        listed = {row["address"]: row for row in service.json("mailbox", "list")["mailboxes"]}
        assert set(listed) == {ADDRESS, "two@example.test"}, listed
        assert all(row["bytes"] > 0 for row in listed.values()), listed
        assert service.json("mailbox", "list", "--orphans")["mailboxes"] == []
        mailbox = listed["two@example.test"]["mailbox"]
        path = os.path.join(service.data, "mailboxes", mailbox[:2], mailbox + ".sqlite")
        with open(path, "rb") as file:
            content = file.read()
        service.run("alias", "remove", "two@example.test", "--yes")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        (orphan,) = service.json("mailbox", "list", "--orphans")["mailboxes"]
        assert orphan == {"mailbox": mailbox, "address": "", "bytes": len(content)}, orphan
        assert mailbox in service.run("mailbox", "list", "--orphans").stdout


TO_ONE_ALIAS = [("password", "list"), ("password", "new"), ("password", "recovery"),
                ("password", "app", "--label", "phone"), ("mailbox", "verify"), ("mailbox", "accept"),
                ("alias", "remove")]


def test_an_alias_is_disabled_and_enabled():
    with Service() as service:
        password, other = service.add_alias(ADDRESS), service.add_alias("two@example.test")
        client, bystander = service.imap(ADDRESS, password), service.imap("two@example.test", other)
        client.select()
        began = time.monotonic()
        assert service.json("alias", "disable", ADDRESS)["disabled"] is True
        try:
            while True:
                client.noop()
        except imaplib.IMAP4.abort:
            pass
        assert time.monotonic() - began < 30
        bystander.select()
        for _ in range(2):  # again is no error
            service.run("alias", "disable", ADDRESS)
        assert ", disabled\n" in service.run("alias", "list").stdout
        try:
            service.imap(ADDRESS, password)
            raise AssertionError("a disabled alias opened")
        except imaplib.IMAP4.error as refused:
            assert "AUTHENTICATIONFAILED" in str(refused), refused
        try:
            service.send(ADDRESS, message(1))
            raise AssertionError("a disabled alias took mail")
        except smtplib.SMTPRecipientsRefused as refused:
            assert refused.recipients[ADDRESS][0] == 550, refused
        for command in ("disable", "enable"):
            assert status(service, "alias", command, "nosuch@example.test") == NOT_FOUND
            assert status(service, "alias", command, "hello+x@example.test") == NOT_FOUND
            assert status(service, "alias", command) == USAGE
        for words in TO_ONE_ALIAS:  # mail to hello+x arrives at hello, but nobody administers it by that name
            assert status(service, *words, "hello+x@example.test") == NOT_FOUND, words
            assert status(service, *words, "nosuch@example.test") == NOT_FOUND, words
        assert service.json("alias", "enable", ADDRESS)["disabled"] is False
        service.send(ADDRESS, message(1))
        client = service.imap(ADDRESS, password)
        assert client.select()[1] == [b"1"]
        client.logout()
        bystander.logout()


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
