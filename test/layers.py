#!/usr/bin/env python3
"""Who may include whom. Prints TAP: one test for each module, and one for headers that compile alone.

The rules are those of doc/architecture.md; a module may always include itself, base and the
generated protocol headers where its row says "proto".
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROTO = {"link.pb-c.h", "mail.pb-c.h", "structure.pb-c.h", "sealed.pb-c.h", "store.pb-c.h", "directory.pb-c.h"}
FRONT = {"front", "net", "mail", "crypto", "base", "proto"}
CORE = {"db", "net", "crypto", "base", "proto"}
ALLOWED = {
    "base": set(),
    "crypto": {"base"},
    "db": {"crypto", "base"},
    "mail": {"base", "proto"},
    "net": {"crypto", "base", "proto"},
    "front": {"net", "mail", "crypto", "base", "proto"},
    "imap": FRONT,
    "smtp": FRONT,
    "store": CORE,
    "directory": CORE,
    "main": {"base", "crypto", "db", "mail", "net", "front", "imap", "smtp", "store", "directory", "proto"},
}
# The only users of a library whose misuse would be dearest.
LIBRARY_OWNERS = {
    "sodium.h": {"crypto"},
    "sqlite3.h": {"db", "store", "directory"},
    "seccomp.h": {"main"},
}


def offences(module):
    folder = os.path.join(ROOT, "src", module)
    for name in sorted(os.listdir(folder)):
        if not name.endswith((".c", ".h")):
            continue
        with open(os.path.join(folder, name), encoding="utf-8") as source:
            for number, line in enumerate(source, 1):
                found = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
                if not found:
                    continue
                path = found.group(2)
                where = f"src/{module}/{name}:{number}"
                if found.group(1) == "<":
                    owners = LIBRARY_OWNERS.get(path)
                    if owners is not None and module not in owners:
                        yield f"{where}: <{path}> belongs to {', '.join(sorted(owners))}"
                    continue
                if path in PROTO:
                    if "proto" not in ALLOWED[module]:
                        yield f"{where}: {module} must not know the protocol ({path})"
                    continue
                target = path.split("/")[0]
                if "/" not in path:
                    yield f"{where}: write the module in front: \"{module}/{path}\""
                elif target != module and target not in ALLOWED[module]:
                    yield f"{where}: {module} must not include {target}"


def headers_alone(build):
    """Each header compiles alone, with the flags that the build uses for its module."""
    flags = subprocess.run(
        ["pkg-config", "--cflags", "libevent", "openssl", "libprotobuf-c", "libsodium"],
        capture_output=True, text=True, check=True).stdout.split()
    sqlite = os.path.join(ROOT, "node_modules/better-sqlite3-multiple-ciphers/deps/sqlite3")
    for module in ALLOWED:
        folder = os.path.join(ROOT, "src", module)
        for name in sorted(os.listdir(folder)):
            if not name.endswith(".h"):
                continue
            result = subprocess.run(
                ["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-fsyntax-only", "-x", "c", "-w",
                 "-I" + os.path.join(ROOT, "src"), "-I" + os.path.join(build, "proto"),
                 "-I" + sqlite, *flags, "-"],
                input=f'#include "{module}/{name}"\n', capture_output=True, text=True)
            if result.returncode != 0:
                yield f"src/{module}/{name}: {result.stderr.splitlines()[0]}"


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build-check")
    tests = [(f"layers: {module}", list(offences(module))) for module in ALLOWED]
    missing = sorted(set(os.listdir(os.path.join(ROOT, "src"))) - set(ALLOWED))
    tests.append(("layers: every module has a rule", [f"src/{name}" for name in missing]))
    tests.append(("layers: headers compile alone", list(headers_alone(build))))
    failed = 0
    print(f"1..{len(tests)}")
    for number, (name, found) in enumerate(tests, 1):
        print(f"{'not ok' if found else 'ok'} {number} - {name}")
        for line in found:
            print(f"# {line}")
        failed += bool(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
