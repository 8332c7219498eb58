#!/usr/bin/env python3
"""The supervisor and its processes, from outside: restarts, signals, rights, refusals."""
import fcntl
import imaplib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import BUILD, Service, Tap, wait_for  # noqa: E402

ROLES = {"directory", "store", "imap", "smtp"}
EX_CONFIG = 78
ROOT_USER = os.geteuid() == 0
# chown, dac_override, fowner, kill, setgid, setuid, net_bind_service, sys_resource
KEPT_CAPABILITIES = sum(1 << number for number in (0, 1, 3, 5, 6, 7, 10, 24))


def greets(service):
    """Whether both fronts greet and take a NOOP."""
    try:
        with service.smtp(timeout=5) as smtp:
            smtp.noop()
        client = service.imap(timeout=5)
        client.noop()
        client.logout()
        return True
    except (OSError, imaplib.IMAP4.error, EOFError):
        return False


def serve(service, *arguments, environment=None):
    """Runs `serve` to its end, which is expected soon."""
    return subprocess.run([service.binary, "--config", service.config, "serve", *arguments],
                          capture_output=True, text=True, timeout=60,
                          env={**service.environment, **(environment or {})}, check=False)


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def events(service, name):
    return [line for line in service.log_text().splitlines() if f" event={name} " in line]


def test_a_killed_process_is_back():
    with Service() as service:
        for role in sorted(ROLES):
            before = service.children()
            assert set(before) == ROLES, before
            os.kill(before[role], signal.SIGKILL)
            wait_for(lambda: service.children().get(role, before[role]) != before[role], role)
            wait_for(lambda: greets(service), f"greetings after the death of {role}")
            others = {name: pid for name, pid in before.items() if name != role}
            after = service.children()
            assert {n: p for n, p in after.items() if n != role} == others, (before, after)
        assert service.stop() == 0


def test_sigterm_ends_everything():
    with Service() as service:
        pids = [service.process.pid, *service.children().values()]
        assert len(pids) == 5
        start = time.monotonic()
        assert service.stop() == 0, service.log_text()[-4000:]
        assert time.monotonic() - start < 9, "a process used up its grace"
        assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", service.smtp_port))
        ended = [line for line in service.log_text().splitlines() if "event=supervisor.ended" in line]
        order = [re.search(r"process=(\w+)", line).group(1) for line in ended]
        assert set(order[:2]) == {"imap", "smtp"}, order
        assert set(order[2:]) == {"store", "directory"}, order


def test_it_listens_to_signals_that_were_ignored_before():
    handled = (signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGTERM)
    with Service(start=False) as service:
        before = {number: signal.signal(number, signal.SIG_IGN) for number in handled}
        try:
            service.start()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        service.process.send_signal(signal.SIGHUP)
        wait_for(lambda: events(service, "supervisor.reloaded"), "the reload")
        old = service.children()["imap"]
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: service.children().get("imap", old) != old, "another imap process")
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(20) == 0
        service.process = None
        service.log.close()


def test_children_die_with_the_supervisor():
    with Service() as service:
        pids = list(service.children().values())
        os.kill(service.process.pid, signal.SIGKILL)
        service.process.wait()
        service.process = None
        wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), "their end")
        service.log.close()
        service.start()
        assert greets(service)


def test_a_bad_configuration_keeps_the_old_one():
    with Service() as service:
        pids = service.children()
        service.options["no_such_option"] = "1"
        service.write_config()
        service.process.send_signal(signal.SIGHUP)
        wait_for(lambda: events(service, "supervisor.reload_failed"), "the report")
        line = events(service, "supervisor.reload_failed")[0]
        assert re.search(r'postkasse\.conf:\d+: there is no option', line), line
        assert greets(service)
        del service.options["no_such_option"]
        service.options["log_level"] = "info"
        service.write_config()
        service.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(events(service, "role.reloaded")) == 4, "the new configuration")
        assert service.children() == pids
        assert greets(service)
        assert service.stop() == 0


def test_what_needs_a_restart_waits_for_it():
    with Service() as service:
        service.options["imap_processes"] = "2"
        service.options["data_dir"] = "/nonexistent"
        service.options["message_size_max"] = "70M"
        with open(service.options["host_key_file"], "rb") as file:
            key = file.read()
        os.chmod(service.options["host_key_file"], 0o600)
        with open(service.options["host_key_file"], "wb") as file:
            file.write(bytes(32))
        service.write_config()
        service.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(events(service, "role.reloaded")) == 4, "the new configuration")
        named = {re.search(r"option=(\w+)", line).group(1)
                 for line in events(service, "supervisor.reload_needs_restart")}
        assert named == {"imap_processes", "data_dir", "host_key_file"}, named
        # A core that starts again finds its files and the key that opens them.
        old = service.children()["directory"]
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: service.children().get("directory", old) != old, "the directory")
        wait_for(lambda: len(events(service, "supervisor.serving")) == 5, "it to serve")
        with service.smtp() as smtp:
            smtp.ehlo()
            assert smtp.esmtp_features["size"] == str(70 << 20), smtp.esmtp_features
        with open(service.options["host_key_file"], "wb") as file:
            file.write(key)
        assert service.stop() == 0


def test_a_service_manager_is_told():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            notify.settimeout(20)
            with Service(environment={"NOTIFY_SOCKET": path}) as service:
                assert notify.recv(100) == b"READY=1\n"
                service.process.send_signal(signal.SIGHUP)
                assert notify.recv(100) == b"RELOADING=1\n"
                assert notify.recv(100) == b"READY=1\n"
                service.stop()
                assert notify.recv(100) == b"STOPPING=1\n"


def test_it_runs_without_root_too():
    if not ROOT_USER:
        return  # Then all the other tests have shown it.
    with tempfile.TemporaryDirectory(prefix="postkasse-test-") as folder:
        program = os.path.join(folder, "program")
        wrapper = os.path.join(folder, "wrapper")
        shutil.copy(os.path.join(BUILD, "postkasse"), program)
        with open(wrapper, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\nexec setpriv --reuid 64999 --regid 64999 --clear-groups "
                       f"{program} \"$@\"\n")
        for path in (program, wrapper):
            os.chmod(path, 0o755)
        inner = os.path.join(folder, "service")
        os.mkdir(inner)
        os.chown(inner, 64999, 64999)
        os.chmod(folder, 0o755)
        with Service(folder=inner, binary=wrapper) as service:
            for role, pid in service.children().items():
                status = status_of(pid)
                assert set(status["Uid"].split()) == {"64999"}, (role, status)
                assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1", (role, status)
            assert greets(service)
            service.run("domain", "list")
            assert service.stop() == 0


def certificate(service):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", service.imaps_port), timeout=10) as raw:
        with context.wrap_socket(raw) as tls:
            return tls.getpeercert(binary_form=True)


def test_sighup_brings_a_new_certificate():
    with Service() as service:
        old = certificate(service)
        kept = service.imap(tls=True)
        paths = [service.options["tls_certificate_file"], service.options["tls_key_file"]]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=new",
                        "-keyout", paths[1], "-out", paths[0]], check=True, capture_output=True)
        service.process.send_signal(signal.SIGHUP)
        wait_for(lambda: certificate(service) != old, "the new certificate")
        kept.noop()
        # A key that does not belong to it changes nothing.
        new = certificate(service)
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out",
                        paths[1]], check=True, capture_output=True)
        service.process.send_signal(signal.SIGHUP)
        wait_for(lambda: events(service, "supervisor.reload_failed"), "the refusal")
        assert certificate(service) == new
        kept.logout()


def test_a_certificate_that_ends_soon_is_told():
    with Service(start=False) as service:
        path, key = service.options["tls_certificate_file"], service.options["tls_key_file"]

        def certificate_for(days):
            subprocess.run(["openssl", "req", "-x509", "-key", key, "-days", str(days), "-subj", "/CN=x",
                            "-out", path], check=True, capture_output=True)
        assert service.json("config", "check")["certificates"][0]["days"] > 300
        assert service.run("config", "check").stderr == ""
        certificate_for(31)
        assert service.run("config", "check").stderr == ""
        certificate_for(20)
        done = service.run("config", "check")
        assert re.search(f"tls_certificate_file: {path}: expires in (19|20) days", done.stderr), done
        service.start()
        line = events(service, "supervisor.certificate_expires")[0]
        assert re.search("option=tls_certificate_file .*days=(19|20)", line), line
        certificate_for(10)
        reload(service)
        assert re.search("days=(9|10)$", events(service, "supervisor.certificate_expires")[-1])
        certificate_for(90)
        told = len(events(service, "supervisor.certificate_expires"))
        reload(service)
        assert len(events(service, "supervisor.certificate_expires")) == told
        assert service.stop() == 0


def reload(service):
    done = len(events(service, "supervisor.reloaded"))
    service.write_config()
    service.process.send_signal(signal.SIGHUP)
    wait_for(lambda: len(events(service, "supervisor.reloaded")) > done, "the reload")


def first_bytes(port):
    """What comes before we have said anything: nothing where TLS is spoken, b"" where it ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"a CAPABILITY\r\n")
        try:
            return client.recv(1000)
        except ConnectionResetError:
            return b""


def offers_starttls(service):
    with service.smtp() as smtp:
        smtp.ehlo()
        by_smtp = smtp.has_extn("starttls")
    client = service.imap()
    by_imap = "STARTTLS" in client.capabilities
    answer = client.xatom("STARTTLS")[0] if not by_imap else None
    assert answer in (None, "NO"), answer
    client.shutdown()
    assert by_smtp == by_imap
    return by_imap


def test_tls_comes_and_goes_with_a_reload():
    with Service(start=False) as service:
        path = service.options["tls_certificate_file"]
        service.options["tls_certificate_file"] = ""
        service.write_config()
        service.start()
        assert not offers_starttls(service)
        assert first_bytes(service.imaps_port) == b""
        # What a process logs reaches the file through the supervisor.
        wait_for(lambda: any("reason=closed" in line for line in events(service, "listener.refused")),
                 "the refusal in the log")
        service.options["tls_certificate_file"] = path
        reload(service)
        assert offers_starttls(service)
        kept = service.imap(tls=True)
        inside = service.imap()
        # Taken away again: who has it keeps it, who comes gets none, and nothing in clear.
        service.options["tls_certificate_file"] = ""
        reload(service)
        assert not offers_starttls(service)
        assert first_bytes(service.imaps_port) == b""
        assert inside.xatom("STARTTLS")[0] == "NO"
        kept.noop()
        kept.logout()
        service.options["tls_certificate_file"] = path
        reload(service)
        service.imap(tls=True).logout()
        assert offers_starttls(service)
        assert service.stop() == 0


def test_a_host_key_that_others_may_read_is_refused():
    service = Service(start=False)
    key = service.options["host_key_file"]
    for mode, code in ((0o440, EX_CONFIG), (0o404, EX_CONFIG)):
        os.chmod(key, mode)
        done = serve(service)
        assert done.returncode == code, done
        assert "host_key_file" in done.stderr and "mode" in done.stderr, done.stderr
    os.chmod(key, 0o600)
    with open(key, "wb") as file:
        file.write(b"short")
    done = serve(service)
    assert done.returncode == EX_CONFIG and "5 bytes instead of 32" in done.stderr, done
    os.unlink(key)
    done = serve(service)
    assert done.returncode == EX_CONFIG and "No such file" in done.stderr, done


def test_what_cannot_be_served_is_refused():
    service = Service(start=False)
    cases = [
        ({"POSTKASSE_SMTP_LISTEN": "localhost:25"}, EX_CONFIG, "smtp_listen"),
        ({"POSTKASSE_ROLES": "imap pigeon"}, EX_CONFIG, "pigeon"),
        ({"POSTKASSE_ROLES": "imap"}, EX_CONFIG, "store_address"),
        ({"POSTKASSE_TLS_KEY_FILE": service.options["host_key_file"]}, EX_CONFIG, "tls_"),
        ({"POSTKASSE_STORE_LISTEN": "127.0.0.1:0"}, EX_CONFIG, "link_tls_certificate_file"),
        ({"POSTKASSE_PIGEON": "1"}, EX_CONFIG, "POSTKASSE_PIGEON"),
        ({"POSTKASSE_DATA_DIR": "/nonexistent/data"}, EX_CONFIG, "data_dir"),
        ({"POSTKASSE_RUN_DIR": "/tmp/" + "x" * 100}, EX_CONFIG, "run_dir"),
    ]
    for environment, code, text in cases:
        done = serve(service, environment=environment)
        assert done.returncode == code, (environment, done)
        assert text in done.stderr.splitlines()[-1], (environment, done.stderr)
    assert not os.path.exists("/tmp/" + "x" * 100)
    done = serve(service, "--pigeon")
    assert done.returncode == 64, done


def test_a_folder_that_processes_cannot_pass_to_is_named():
    if not ROOT_USER:
        return  # Then there is one user, who is us.
    service = Service(start=False)
    above = os.path.join(service.folder, "private")
    os.mkdir(above, mode=0o700)
    shutil.copytree(service.data, os.path.join(above, "data"))
    done = serve(service, environment={"POSTKASSE_DATA_DIR": os.path.join(above, "data")})
    assert done.returncode == EX_CONFIG, done
    assert f"{above}, which has mode 0700" in done.stderr, done.stderr
    # The sockets there are for the command line only.
    service.options["run_dir"] = os.path.join(above, "run")
    service.write_config()
    service.start()
    assert greets(service)
    service.run("domain", "list")
    assert service.stop() == 0


def test_one_supervisor_for_a_folder():
    with Service() as service:
        done = serve(service)
        assert done.returncode == 1 and "served already" in done.stderr, done
        assert greets(service)


def test_it_waits_for_a_command_to_end():
    service = Service(start=False)
    with open(os.path.join(service.data, "lock"), "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        def release():
            wait_for(lambda: events(service, "supervisor.waiting"), "the service to wait")
            fcntl.flock(lock, fcntl.LOCK_UN)
        open(service.log_path, "ab").close()
        command = threading.Thread(target=release)
        command.start()
        service.start()
        command.join()
    assert greets(service)
    assert service.stop() == 0


def test_a_taken_port_is_named():
    service = Service(start=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", service.smtp_port))
        taken.listen()
        done = serve(service)
    assert done.returncode == 1, done
    assert f"smtp_listen: 127.0.0.1:{service.smtp_port}: Address already in use" in done.stderr


def test_processes_have_few_rights():
    with Service(options={"imap_processes": "2", "smtp_processes": "2"}) as service:
        users, groups = {}, {}
        for role, pid in service.children().items():
            status = status_of(pid)
            assert status["NoNewPrivs"] == "1", (role, status)
            assert status["Seccomp"] == "2", (role, status)
            for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                assert int(status[kind], 16) == 0, (role, kind, status[kind])
            uids, gids = status["Uid"].split(), status["Gid"].split()
            assert len(set(uids)) == 1 and len(set(gids)) == 1, (role, status)
            name = role.split("#")[0]
            users.setdefault(name, set()).add(int(uids[0]))
            groups.setdefault(name, set()).add(int(gids[0]))
            if ROOT_USER:
                assert uids[0] != "0" and gids[0] != "0", (role, status)
                assert status["Groups"].strip() == "", (role, status)
            with open(f"/proc/{pid}/limits", encoding="ascii") as file:
                limits = file.read()
            assert re.search(r"Max core file size +0 +0 ", limits), (role, limits)
            threads = 64 if role.startswith(("imap", "smtp")) else 1024
            assert re.search(rf"Max processes +{threads} +{threads} ", limits) or not ROOT_USER, (role, limits)
            assert int(status["CapBnd"], 16) & ~KEPT_CAPABILITIES == 0 or not ROOT_USER, status
            # Not dumpable: what is in /proc belongs to root, whoever the process is.
            assert os.stat(f"/proc/{pid}/mem").st_uid == 0, role
        if ROOT_USER:
            assert users == {"store": {60608}, "directory": {60609}, "imap": {60736, 60737},
                             "smtp": {60800, 60801}}, users
            # The group may pass to the data: fronts are not in it.
            assert groups == {**users, "directory": {60608}}, groups
        # Nobody but root, or who runs the service, can reach the cores.
        for name in ("", "store.sock", "directory.sock"):
            status = os.stat(os.path.join(service.options["run_dir"], name))
            assert status.st_mode & 0o077 == 0 and status.st_uid == os.geteuid(), (name, status)


def test_other_users_take_over_the_folders():
    if not ROOT_USER:
        return  # Then there is one user, who is us.
    with Service(options={"uid_base": "64200"}) as service:
        password = service.add_alias("hello@example.test")
        service.imap("hello@example.test", password).logout()
        assert service.stop() == 0
        del service.options["uid_base"]
        service.write_config()
        service.start()
        assert status_of(service.children()["store"])["Uid"].split()[0] == "60608"
        service.imap("hello@example.test", password).logout()
        owners = {os.stat(path).st_uid for path in service.files() if "/mailboxes/" in path}
        assert owners == {60608}, owners
        assert service.stop() == 0


def test_processes_inherit_nothing_else():
    with Service() as service:
        for role, pid in service.children().items():
            with open(f"/proc/{pid}/environ", "rb") as file:
                # The C library puts zeros in the place of the colons.
                words = file.read().replace(b":glibc", b"\0glibc").split(b"\0")
            assert b"GLIBC_TUNABLES=glibc.malloc.arena_max=2" in words, (role, words)
            # Of what comes from outside only how a build with sanitizers reports.
            kept = (b"GLIBC_TUNABLES=", b"glibc.", b"ASAN_", b"LSAN_", b"UBSAN_", b"TEST_PLAIN=")
            assert all(not word or word.startswith(kept) for word in words), (role, words)


def test_fronts_hold_no_file():
    with Service() as service:
        for role in ("imap", "smtp"):
            pid = service.children()[role]
            for entry in os.listdir(f"/proc/{pid}/fd"):
                target = os.readlink(f"/proc/{pid}/fd/{entry}")
                regular = target.startswith("/") and not target.startswith("/dev/null")
                assert not regular, (role, target)


def test_a_crash_leaves_no_core():
    with Service() as service:
        for role in sorted(ROLES):
            pid = service.children()[role]
            os.kill(pid, signal.SIGSEGV)
            wait_for(lambda: service.children().get(role, pid) != pid, f"{role} to be back")
        wait_for(lambda: greets(service), "greetings")
        places = [service.folder, "/tmp", os.getcwd(), "/"]
        found = [os.path.join(place, name) for place in places for name in os.listdir(place)
                 if re.fullmatch(r"core(\.\d+)?", name)]
        assert not found, found


def test_a_process_that_keeps_dying_waits_longer():
    with Service() as service:
        lost = os.path.join(service.data, "directory", "directory.sqlite")
        os.rename(lost, lost + ".away")
        with open(lost, "wb") as file:
            file.write(b"this is no database " * 1000)
        os.chown(lost, os.stat(lost + ".away").st_uid, os.stat(lost + ".away").st_gid)
        os.kill(service.children()["directory"], signal.SIGKILL)
        wait_for(lambda: len(events(service, "supervisor.ended")) >= 6, "six ends")
        counts = [int(re.search(r"failures=(\d+)", line).group(1))
                  for line in events(service, "supervisor.ended")]
        assert counts[:6] == sorted(counts[:6]) and counts[5] >= 5, counts
        starts = [line for line in events(service, "supervisor.started") if "directory" in line]
        assert len(starts) <= 8, starts
        # What is mended comes back by itself.
        os.rename(lost + ".away", lost)
        serving = len(events(service, "supervisor.serving"))
        wait_for(lambda: len(events(service, "supervisor.serving")) > serving, "the directory")
        wait_for(lambda: greets(service), "greetings")


def test_several_processes_share_a_port():
    with Service(options={"imap_processes": "3", "smtp_processes": "2"}) as service:
        assert len(service.children()) == 7, service.children()
        for _ in range(20):
            assert greets(service)
        assert service.stop() == 0


if __name__ == "__main__":
    Tap(globals()).main()
