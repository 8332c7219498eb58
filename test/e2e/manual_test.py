#!/usr/bin/env python3
"""The manual pages: nothing for a linter to say, and every option and command in them."""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import BUILD, ROOT, Tap  # noqa: E402

BINARY = os.path.join(BUILD, "postkasse")
PAGES = ("postkasse.1", "postkasse.conf.5")


def page(name):
    with open(os.path.join(ROOT, "man", name + ".in"), "rb") as source:
        return subprocess.run([BINARY, "help", "manual"], stdin=source, capture_output=True,
                              check=True).stdout


def rendered(name):
    done = subprocess.run(["mandoc", "-T", "ascii", "-O", "width=200"], input=page(name),
                          capture_output=True, check=True)
    return re.sub(".\b", "", done.stdout.decode())


def test_a_linter_finds_nothing():
    with tempfile.TemporaryDirectory() as folder:
        for name in PAGES:
            path = os.path.join(folder, name)
            with open(path, "wb") as file:
                file.write(page(name))
            done = subprocess.run(["mandoc", "-T", "lint", path], capture_output=True, text=True,
                                  check=False)
            # The pages name each other, and are not installed here.
            said = [line for line in done.stdout.splitlines() + done.stderr.splitlines()
                    if "referenced manual not found" not in line]
            assert not said, said


def test_every_option_is_explained():
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as empty:
        printed = subprocess.run([BINARY, "--config", empty.name, "config", "print"],
                                 capture_output=True, text=True, check=True).stdout
    text = rendered("postkasse.conf.5").split("\nOPTIONS\n")[1]
    options = re.findall(r"^(\w+) = ?(.*)$", printed, re.M)
    assert len(options) > 30, printed
    for name, value in options:
        entry = re.search(rf"^ +{name} = .*\n((?: +.*\n)+)", text, re.M)
        assert entry, name
        said = " ".join(entry.group(1).split())
        default = re.search(r"The default is (?:`([^']*)'|(empty))\.$", said)
        assert default and (default.group(1) or "") == value, (name, value, said)


def test_every_command_is_explained():
    text = rendered("postkasse.1")
    commands = re.findall(r"^  (\w+(?: \w+)?) ",
                          subprocess.run([BINARY, "help"], capture_output=True, text=True,
                                         check=True).stdout, re.M)
    assert "serve" in commands and "alias add" in commands, commands
    for command in commands:
        assert re.search(rf"\b{command}\b", text), command


if __name__ == "__main__":
    Tap(globals()).main()
