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


def options():
    """Every option of the configuration with its default, as the program has them."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as empty:
        printed = subprocess.run([BINARY, "--config", empty.name, "config", "print"],
                                 capture_output=True, text=True, check=True).stdout
    found = dict(re.findall(r"^(\w+) = ?(.*)$", printed, re.M))
    assert len(found) > 30, printed
    return found


def test_every_option_is_explained():
    text = rendered("postkasse.conf.5").split("\nOPTIONS\n")[1].split("\nFILES\n")[0]
    entries = dict(re.findall(r"^ +(\w+) = .*\n((?: +.*\n)+)", text, re.M))
    assert sorted(entries) == sorted(options()), set(entries) ^ set(options())
    for name, value in options().items():
        said = " ".join(entries[name].split())
        default = re.search(r"The default is (?:`([^']*)'|(empty))\.$", said)
        assert default and (default.group(1) or "") == value, (name, value, said)


def commands():
    """Command → (synopsis of its arguments, its options without those that every command has), from the help."""
    def helped(*words):
        return subprocess.run([BINARY, "help", *words], capture_output=True, text=True, check=True).stdout

    found = {}
    for name in re.findall(r"^  ([a-z]+(?: [a-z]+)?) ", helped(), re.M):
        text = helped(*name.split())
        arguments = re.match(rf"Usage: postkasse {name} ?(.*) ?\[OPTION...\]\n", text).group(1).strip()
        listed = re.findall(r"^  (--[a-z-]+)(?: ([A-Z]+))? ", text, re.M)
        assert ("--config", "FILE") in listed and ("--help", "") in listed, text
        found[name] = (arguments, dict(listed))
    assert "serve" in found and "alias add" in found, found
    return found


def own(listed):
    return {name: value for name, value in listed.items() if name not in ("--config", "--help")}


def test_help_manual_and_completion_say_the_same():
    source = page("postkasse.1").decode().replace("\\-", "-")
    helped, in_manual, name = commands(), {}, None
    for line in source.split(".Sh COMMANDS\n")[1].split(".Sh OPTIONS\n")[0].splitlines():
        if entry := re.fullmatch(r"\.It Ic ([a-z ]+?)(?: Ar (.*))?", line):
            name = entry.group(1)
            in_manual[name] = (entry.group(2) or "", {})
        elif option := re.fullmatch(r"\.Op Fl -([a-z-]+)(?: Ar ([A-Z]+))?", line):
            in_manual[name][1]["--" + option.group(1)] = option.group(2) or ""
    assert in_manual == {name: (arguments, own(listed)) for name, (arguments, listed) in helped.items()}
    every = {}
    for _, listed in helped.values():
        every.update(listed)
    section = source.split(".Sh OPTIONS\n")[1].split(".Sh EXIT STATUS\n")[0]
    explained = {"--" + option: value for option, value in
                 re.findall(r"^\.It Fl -([a-z-]+)(?: Ar ([A-Z]+))?$", section, re.M)}
    assert explained == every, (explained, every)
    script = subprocess.run([BINARY, "completion", "bash"], capture_output=True, text=True, check=True).stdout
    completed = {name: set(words.split()) for name, words in
                 re.findall(r"^\t'([a-z ]+)'\*\) options=\"([^\"]*)\"", script, re.M)}
    assert completed == {name: set(listed) for name, (_, listed) in helped.items()}


def documents():
    for folder, _, names in os.walk(os.path.join(ROOT, "doc")):
        yield from (os.path.join(folder, name) for name in names if name.endswith(".md"))
    yield os.path.join(ROOT, "README.md")


def test_documents_name_what_there_is():
    helped, known, seen = commands(), options(), 0
    for path in documents():
        with open(path, encoding="utf-8") as file:
            text = file.read()
        fenced = "\n".join(re.findall(r"^```.*?\n(.*?)^```", text, re.M | re.S))
        code = fenced.splitlines() + re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
        for line in code:
            called = re.match(r"\s*(?:sudo )?postkasse (?:--config \S+ )?([a-z].*)", line)
            words = called.group(1).split("#")[0].split() if called else []
            if words:
                name = " ".join(words[:2]) if " ".join(words[:2]) in helped else words[0]
                is_group = any(command.startswith(name + " ") for command in helped)
                assert name in helped or (is_group and len(words) == 1), (path, line)
                for option in re.findall(r"(--[a-z-]+)", " ".join(words)):
                    assert is_group or option in helped[name][1], (path, line)
                seen += 1
            for name in re.findall(r"^([a-z0-9]+(?:_[a-z0-9]+)+) = ", line):
                assert name in known, (path, line)
                seen += 1
    assert seen > 40, seen


if __name__ == "__main__":
    Tap(globals()).main()
