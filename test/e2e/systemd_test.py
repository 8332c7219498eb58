#!/usr/bin/env python3
"""The unit for systemd: what it takes away from the service, and that the service does without it."""
import os
import re
import stat
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import BINARY, BUILD, Service, Tap, message  # noqa: E402

UNIT = os.path.join(BUILD, "contrib", "postkasse.service")
RATING_MAX = 2.6  # of systemd-analyze: what it counts now is what a service must have that is root to bind port 25


def settings():
    """Name → all values that the unit gives it."""
    found = {}
    with open(UNIT, encoding="utf-8") as file:
        for name, value in re.findall(r"^(\w+)=(.*)$", file.read(), re.M):
            found.setdefault(name, []).append(value)
    return found


def test_its_rating():
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", UNIT], capture_output=True,
                          text=True, timeout=60, check=False)
    rating = re.search(r"Overall exposure level for postkasse\.service: ([\d.]+)", done.stdout)
    assert rating, done
    assert float(rating.group(1)) <= RATING_MAX, done.stdout
    # Nothing in it that this version of systemd does not know and passes over.
    done = subprocess.run(["systemd-analyze", "verify", UNIT], capture_output=True, text=True,
                          timeout=60, check=False)
    complaint = done.stderr.lower()
    assert "unknown" not in complaint and "ignoring" not in complaint, done.stderr


def test_it_does_not_retry_a_bad_configuration():
    assert settings()["RestartPreventExitStatus"] == ["78"]
    service = Service(start=False)
    service.options["hostname"] = "no host"
    service.write_config()
    done = subprocess.run([service.binary, "--config", service.config, "serve"], capture_output=True,
                          timeout=60, check=False)
    assert done.returncode == 78, done


def test_make_install_brings_it():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", folder],
                       check=True, capture_output=True, timeout=120)
        found = [os.path.join(place, name) for place, _, names in os.walk(folder) for name in names]
        unit = [path for path in found if path.endswith("/lib/systemd/system/postkasse.service")]
        assert len(unit) == 1, found
        with open(unit[0], encoding="utf-8") as file:
            program = re.search(r"^ExecStart=(\S+) serve$", file.read(), re.M).group(1)
        assert stat.S_IMODE(os.stat(folder + program).st_mode) & 0o111, program


def test_the_service_does_with_these_rights():
    """The capabilities, the mask and the rest that can be had without systemd."""
    if os.geteuid() != 0:
        return  # The unit starts it as root.
    kept = ",".join("+" + word.removeprefix("CAP_").lower()
                    for word in settings()["CapabilityBoundingSet"][0].split())
    with tempfile.TemporaryDirectory(prefix="postkasse-test-") as folder:
        wrapper = os.path.join(folder, "wrapper")
        with open(wrapper, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\numask {settings()['UMask'][0]}\n"
                       f"exec setpriv --bounding-set -all,{kept} --no-new-privs {BINARY} \"$@\"\n")
        os.chmod(wrapper, 0o755)
        with Service(binary=wrapper) as service:
            password = service.add_alias("hello@example.test")
            service.send("hello@example.test", message(1))
            client = service.imap("hello@example.test", password)
            assert client.select("INBOX") == ("OK", [b"1"])
            client.logout()
            assert service.stop() == 0


if __name__ == "__main__":
    Tap(globals()).main()
