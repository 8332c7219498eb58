#!/usr/bin/env python3
"""What an operator sees and does while the service runs: status, sessions, the end of a session."""
import contextlib
import ctypes
import imaplib
import json
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import Service, Tap, message, wait_for  # noqa: E402

ADDRESS, OTHER = "hello@example.test", "other@example.test"
NOT_FOUND, UNAVAILABLE = 67, 69
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000


def status(service, code=0):
    """What it says; code None: whatever the exit status."""
    done = service.run("status", "--json", check=False)
    assert code in (None, done.returncode), done
    return json.loads(done.stdout)


def test_a_healthy_service():
    with Service({"mailbox_linger": "0s"}) as service:
        password, other = service.add_alias(ADDRESS), service.add_alias(OTHER)
        service.wait_forgotten()
        client = service.imap(ADDRESS, password)
        client.select("INBOX")
        service.send(OTHER, message(1))
        service.send(OTHER, message(2))
        seen = status(service)
        assert seen["health"] == "healthy" and seen["problems"] == [], seen
        assert seen["service"]["pid"] == service.process.pid
        assert seen["service"]["phase"] == "serving"
        assert {row["kind"]: row["pid"] for row in seen["processes"]} == service.children()
        assert all(row["ready"] and row["restarts"] == 0 for row in seen["processes"]), seen
        pairs = [("directory", "imap"), ("directory", "smtp"), ("directory", "store"),
                 ("store", "imap"), ("store", "smtp")]
        assert sorted((row["core"], row["role"], row["address"]) for row in seen["peers"]) == [
            (*pair, "") for pair in pairs], seen
        assert sorted((row["core"], row["kind"], row["address"], row["up"])
                      for row in seen["links"]) == [(*pair, "local", True) for pair in pairs], seen
        (certificate,) = seen["certificates"]
        assert certificate["option"] == "tls_certificate_file" and certificate["days"] > 300, seen
        assert seen["configuration"]["file"] == service.config
        assert seen["configuration"]["differs"] is False
        assert seen["directory"]["aliases"] == 2 and seen["store"]["sessions"] == 1, seen
        assert [(row["address"], row["sessions"]) for row in seen["sessions"]] == [(ADDRESS, 1)]
        # Sealed mail is counted without any key of its owner.
        waiting = seen["waiting"]
        assert waiting["messages"] == 2 and waiting["mailboxes"] == 1 and waiting["bytes"] > 0, seen
        assert [(row["address"], row["messages"]) for row in waiting["most"]] == [(OTHER, 2)], seen
        assert seen["space"]["files"] == 2 and seen["space"]["quota_bytes"] == 2 * 10 << 30, seen
        text = service.run("status").stdout
        for words in ("healthy", "2 sealed messages", ADDRESS, "link of imap to the store"):
            assert words in text, (words, text)
        client.logout()
        service.imap(OTHER, other).logout()
        assert status(service)["waiting"]["messages"] == 0


def test_what_is_wrong_is_said():
    with Service() as service:
        with open(service.config, "a", encoding="utf-8") as file:
            file.write("# changed\n")
        seen = status(service)  # a warning
        assert seen["configuration"]["differs"] is True and "SIGHUP" in seen["warnings"][0], seen
        version = seen["configuration"]["digest"]
        service.process.send_signal(signal.SIGHUP)
        wait_for(lambda: status(service)["configuration"]["digest"] != version, "the reload")
        assert status(service)["warnings"] == []
        # A core that does not answer: stopped, not dead, so that nobody starts it again.
        directory = service.children()["directory"]
        os.kill(directory, signal.SIGSTOP)
        try:
            seen = status(service, 1)
            assert seen["health"] == "degraded", seen
            assert any("directory does not answer" in text for text in seen["problems"]), seen
            assert any(row["kind"] == "directory" for row in seen["processes"]), seen
        finally:
            os.kill(directory, signal.SIGCONT)
        imap = service.children()["imap"]
        os.kill(imap, signal.SIGKILL)
        wait_for(lambda: service.children().get("imap") not in (None, imap), "another imap")
        seen = wait_for(lambda: [row for row in status(service, None)["processes"]
                                 if row["kind"] == "imap" and row["restarts"] == 1], "the restart")
        assert seen[0]["pid"] != imap


def restart_with(service, path, source):
    """The file at path is another one when the service is there again; None: it is not there."""
    service.stop()
    if source is None:
        os.remove(path)
    else:
        shutil.copy2(source, path)
    service.start()


def cannot_log_in(service, password):
    client = service.imap()
    try:
        client.login(ADDRESS, password)
    except imaplib.IMAP4.error:
        return
    finally:
        client.shutdown()
    raise AssertionError("a mailbox that is not served was opened")


def test_mailboxes_that_are_not_served():
    with Service() as service:
        password = service.add_alias(ADDRESS)
        service.add_alias(OTHER)
        service.run("alias", "add", "nobody@example.test")  # has no file, and needs none
        mailbox = service.json("alias", "list")["aliases"][0]["mailbox"]
        path = f"{service.data}/mailboxes/{mailbox[:2]}/{mailbox}.sqlite"
        old, new = service.folder + "/old", service.folder + "/new"
        service.stop()
        shutil.copy2(path, old)
        service.start()
        client = service.imap(ADDRESS, password)
        service.send(ADDRESS, message(1))
        client.logout()
        service.stop()
        shutil.copy2(path, new)
        # Not there: nobody has to try first. A log alone is no mailbox.
        restart_with(service, path, None)
        with open(path + "-wal", "wb") as file:
            file.write(b"x")
        seen = status(service, 1)
        assert [(row["address"], row["mailbox"]) for row in seen["refused"]] == [(ADDRESS, mailbox)], seen
        assert any(ADDRESS in text and "not there" in text for text in seen["problems"]), seen
        assert f"problem: {ADDRESS} is not served" in service.run("status", check=False).stdout
        cannot_log_in(service, password)
        assert len(status(service, 1)["refused"]) == 1  # and once somebody has
        os.remove(path + "-wal")
        shutil.copy2(new, path)
        if os.geteuid() == 0:
            shutil.chown(path, os.stat(os.path.dirname(path)).st_uid, os.stat(os.path.dirname(path)).st_gid)
        assert status(service)["refused"] == []
        # Of before: known as soon as it was tried, until it is put right or accepted.
        restart_with(service, path, old)
        cannot_log_in(service, password)
        seen = status(service, 1)
        assert [row["address"] for row in seen["refused"]] == [ADDRESS], seen
        assert any("less than was acknowledged" in text for text in seen["problems"]), seen
        service.run("mailbox", "accept", ADDRESS, "--yes")
        seen = status(service)
        assert any(ADDRESS in text and "accepted" in text for text in seen["warnings"]), seen
        service.imap(ADDRESS, password).logout()
        seen = status(service)
        assert seen["refused"] == [] and seen["warnings"] == [], seen
        # Damaged, and then gone with its alias.
        with open(old, "rb") as file:
            whole = file.read()
        damaged = service.folder + "/damaged"
        with open(damaged, "wb") as file:
            file.write(whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:])
        restart_with(service, path, damaged)
        cannot_log_in(service, password)
        assert any("damaged" in text for text in status(service, 1)["problems"])
        service.run("alias", "remove", ADDRESS, "--yes")
        assert status(service)["refused"] == []


def in_mounts_of_its_own(function):
    """Runs function in a process that may mount, and whose mounts nobody else sees."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            user, libc = os.geteuid(), ctypes.CDLL(None, use_errno=True)
            assert libc.unshare(CLONE_NEWNS | (0 if user == 0 else CLONE_NEWUSER)) == 0, os.strerror(ctypes.get_errno())
            if user != 0:
                with open("/proc/self/uid_map", "w", encoding="ascii") as file:
                    file.write(f"{user} {user} 1")
            subprocess.run(["mount", "--make-rprivate", "/"], check=True)
            function()
            code = 0
        except BaseException:  # pylint: disable=broad-except
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


@contextlib.contextmanager
def small_volume(folder):
    """A volume of 16 MB is mounted there, as an operator does it."""
    owner = os.stat(folder)
    subprocess.run(["mount", "-t", "tmpfs", "-o",
                    f"size=16m,mode=700,uid={owner.st_uid},gid={owner.st_gid}", "none", folder], check=True)
    try:
        with open(folder + "/.postkasse", "wb"):
            pass
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def a_full_volume():
    with Service(start=False) as service, small_volume(service.data + "/temporary"):
        password = service.add_alias(ADDRESS)
        folder = service.data + "/temporary"
        service.start()
        seen = status(service)
        disks = {row["folder"]: row for row in seen["disks"]}
        assert sorted(disks) == ["directory", "mailboxes", "temporary"], seen
        assert disks["temporary"]["reserve_bytes"] == 1 << 20 and not disks["temporary"]["refuses"], seen
        assert (15 << 20) < disks["temporary"]["free_bytes"] <= (16 << 20), seen
        service.send(ADDRESS, message(1))
        filler = folder + "/filler"
        with open(filler, "wb") as file:
            file.write(bytes(os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize - (900 << 10)))
        seen = status(service, 1)
        disks = {row["folder"]: row for row in seen["disks"]}
        assert disks["temporary"]["refuses"] and not disks["mailboxes"]["refuses"], seen
        assert any("volume of temporary is full" in text for text in seen["problems"]), seen
        assert "disk of temporary: " in service.run("status", check=False).stdout
        try:
            service.send(ADDRESS, message(2))
        except smtplib.SMTPDataError as error:
            assert error.smtp_code == 452, error
        else:
            raise AssertionError("mail was taken into the reserve")
        os.remove(filler)
        assert not any(row["refuses"] for row in status(service)["disks"])
        service.send(ADDRESS, message(2))
        client = service.imap(ADDRESS, password)
        assert client.select()[1] == [b"2"]
        client.logout()


def test_a_full_volume_of_one_folder():
    in_mounts_of_its_own(a_full_volume)


def test_a_certificate_that_ends_is_a_warning_and_then_a_problem():
    with Service(start=False) as service:
        for days, code, words in (("10", 0, "ends in"), ("-1", 1, "has expired")):
            request = os.path.join(service.folder, "request")
            subprocess.run(["openssl", "req", "-new", "-key", service.options["tls_key_file"], "-subj",
                            "/CN=mail.example.test", "-out", request], check=True)
            subprocess.run(["openssl", "x509", "-req", "-in", request, "-signkey",
                            service.options["tls_key_file"], "-days", days, "-out",
                            service.options["tls_certificate_file"]], check=True, capture_output=True)
            service.start()
            seen = status(service, code)
            assert words in str(seen["warnings"] + seen["problems"]), seen
            service.stop()


def test_a_service_that_does_not_run():
    with Service(start=False) as service:
        done = service.run("status", check=False)
        assert done.returncode == UNAVAILABLE and "does not run" in done.stderr, done


def test_strangers_get_no_answer():
    if os.geteuid() != 0:
        return
    with Service() as service:
        path = os.path.join(service.options["run_dir"], "control.sock")
        assert os.stat(path).st_mode & 0o777 == 0o600
        os.chmod(path, 0o666)  # were it open to all, the supervisor itself would not answer
        os.chmod(service.options["run_dir"], 0o755)
        child = os.fork()
        if child == 0:
            os.setresuid(65534, 65534, 65534)
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.connect(path)
                os._exit(len(stranger.recv(8)))
        assert os.waitpid(child, 0)[1] == 0
        with socket.socket(socket.AF_UNIX) as ours:
            ours.connect(path)
            assert ours.recv(8) == b"service "


def test_sessions_are_listed_and_ended():
    with Service() as service:
        password, other = service.add_alias(ADDRESS), service.add_alias(OTHER)
        one, two = service.imap(ADDRESS, password), service.imap(ADDRESS, password)
        third = service.imap(OTHER, other)
        rows = service.json("session", "list")["sessions"]
        assert [(row["address"], row["service"], row["client"], row["front"]) for row in rows] == [
            (ADDRESS, "imap", "127.0.0.1", ""), (ADDRESS, "imap", "127.0.0.1", ""),
            (OTHER, "imap", "127.0.0.1", "")], rows
        assert len(service.json("session", "list", OTHER)["sessions"]) == 1
        assert ADDRESS in service.run("session", "list").stdout
        # One by its number: it gets a BYE and does not come back by itself; the others go on.
        service.run("session", "end", str(rows[0]["session"]))
        one.sock.settimeout(60)
        farewell = one.readline()
        assert farewell.startswith(b"* BYE ") and b"administrator" in farewell, farewell
        assert one.readline() == b""
        assert two.noop()[0] == "OK" and third.noop()[0] == "OK"
        # All of a mailbox.
        assert service.json("session", "end", ADDRESS)["ended"] == 1
        assert two.readline().startswith(b"* BYE ")
        assert third.noop()[0] == "OK"
        for which, code in (("999999", NOT_FOUND), (ADDRESS, NOT_FOUND),
                            ("nosuch@example.test", NOT_FOUND)):
            assert service.run("session", "end", which, check=False).returncode == code, which
        service.imap(ADDRESS, password).logout()
        third.logout()


def test_while_it_stops():
    """Each part of the end has a name, also when the fronts are gone and the store takes its time."""
    with Service() as service:
        def told():
            with socket.socket(socket.AF_UNIX) as control:
                control.connect(os.path.join(service.options["run_dir"], "control.sock"))
                return control.makefile().read()
        store = service.children()["store"]
        os.kill(store, signal.SIGSTOP)
        service.process.send_signal(signal.SIGTERM)
        text = wait_for(lambda: (text := told()).count(" pid=0 ") == 2 and text, "the end of the fronts")
        os.kill(store, signal.SIGCONT)
        assert " phase=stopping\n" in text, text
        assert service.process.wait(60) == 0
        service.process = None
        service.log.close()


if __name__ == "__main__":
    Tap(globals()).main()
