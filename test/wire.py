#!/usr/bin/env python3
"""What is said over the links and what rests on disk stays readable: every number of proto/*.proto keeps
its meaning for ever. Prints TAP.

    test/wire.py             compares proto/ with test/recorded/proto-1.txt
    test/wire.py --record    adds what is new to it

A process of one version talks to one of another while a host is upgraded, and mail that was sealed by an
old version is opened by a new one. So fields and values are added, with numbers of their own; a field that
goes leaves its number as reserved. A name is not on the wire, but tells a swap: who renames a field
renames it in the recording, too.
"""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RECORDED = os.path.join(ROOT, "test/recorded/proto-1.txt")
FIELD = re.compile(r"(?:(repeated|optional)\s+)?([\w.]+)\s+(\w+)\s*=\s*(\d+)\s*(?:\[([^\]]*)\])?")


def blocks(text, outer=""):
    """(kind, full name, what stands in the braces but in no inner pair of them) of every message and enum."""
    for found in re.finditer(r"\b(message|enum)\s+(\w+)\s*\{", text):
        if depth(text, found.start()) > 0:
            continue
        end = closing(text, found.end())
        inside = text[found.end():end]
        name = outer + found.group(2)
        own = re.sub(r"\b(?:message|enum)\s+\w+\s*\{[^{}]*\}", "", inside)
        yield found.group(1), name, own
        yield from blocks(inside, name + ".")


def depth(text, end):
    return text.count("{", 0, end) - text.count("}", 0, end)


def closing(text, start):
    level = 1
    for at in range(start, len(text)):
        level += {"{": 1, "}": -1}.get(text[at], 0)
        if level == 0:
            return at
    raise ValueError("braces do not match")


def described(paths):
    """{"Message 3": "repeated uint64 name"}, {"Message 4": None} for what is reserved."""
    lines = {}
    for path in paths:
        with open(path, encoding="utf-8") as file:
            text = re.sub(r"//[^\n]*", "", file.read())
        for kind, name, own in blocks(text):
            for numbers in re.findall(r"\breserved\s+([\d\s,]+);", own):
                lines.update({f"{name} {int(number)}": None for number in numbers.split(",")})
            if kind == "enum":
                for value, number in re.findall(r"\b(\w+)\s*=\s*(-?\d+)", own):
                    lines[f"{name} {number}"] = f"value {value}"
                continue
            for label, type_, field, number, options in FIELD.findall(own):
                said = " ".join(filter(None, (label, type_, options.replace(" ", ""), field)))
                lines[f"{name} {number}"] = said
            lines.setdefault(f"{name} 0", "message")
    return lines


def errors():
    """The values of enum error, which travel in frames."""
    with open(os.path.join(ROOT, "src/base/error.h"), encoding="utf-8") as file:
        values = re.findall(r"\b(E_\w+) = (-?\d+)", file.read())
    return {f"error {number}": f"value {name}" for name, number in values if name != "E_LAST"}


def recorded():
    with open(RECORDED, encoding="utf-8") as file:
        entries = (line.rstrip("\n").split(" ", 2) for line in file)
        return {f"{name} {number}": said for name, number, said in entries}


def changed(old, new):
    for key, said in old.items():
        if key not in new:
            yield f"{key} ({said}) is gone: its number has to be reserved"
        elif new[key] not in (said, None):
            yield f"{key} was \"{said}\" and is \"{new[key]}\""


def unrecorded(old, new):
    for key, said in new.items():
        if said is not None and key not in old:
            yield f"{key} ({said}): test/wire.py --record adds it"


def rules_hold():
    """That the comparison sees what it is there for."""
    old = {"M 1": "uint32 a", "M 2": "repeated M b", "E 1": "value A", "M 0": "message"}
    cases = [
        (old, 0),
        ({**old, "M 3": "bytes c"}, 0),
        ({**old, "M 2": None}, 0),
        ({**old, "M 1": "uint64 a"}, 1),
        ({**old, "M 1": "uint32 c", "M 3": "uint32 a"}, 1),
        ({**old, "M 2": "M b"}, 1),
        ({key: old[key] for key in old if key != "E 1"}, 1),
        ({"M 0": "message"}, 3),
    ]
    for new, faults in cases:
        if len(list(changed(old, new))) != faults:
            yield f"{new} is not found to have {faults} faults"


def record(old, new):
    with open(RECORDED, "a", encoding="utf-8") as file:
        for key, said in new.items():
            if said is not None and key not in old:
                file.write(f"{key} {said}\n")


def main():
    new = described(sorted(glob.glob(os.path.join(ROOT, "proto/*.proto")))) | errors()
    old = recorded() if os.path.exists(RECORDED) else {}
    if "--record" in sys.argv:
        record(old, new)
        return 0
    tests = [
        ("wire: nothing that was given out has changed", list(changed(old, new))),
        ("wire: all that is new is recorded", list(unrecorded(old, new))),
        ("wire: a change would be seen", list(rules_hold())),
    ]
    print(f"1..{len(tests)}")
    for number, (name, faults) in enumerate(tests, 1):
        print(f"{'not ok' if faults else 'ok'} {number} - {name}")
        for fault in faults:
            print(f"# {fault}")
    return 1 if any(faults for _, faults in tests) else 0


if __name__ == "__main__":
    sys.exit(main())
