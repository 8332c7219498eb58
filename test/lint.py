#!/usr/bin/env python3
"""Static analysis: clang-tidy for one module, or cppcheck for all of them. Prints TAP.

    test/lint.py BUILD MODULE       clang-tidy (.clang-tidy says what for); BUILD is one made by clang
    test/lint.py BUILD cppcheck     cppcheck, less test/cppcheck-suppressions.txt
    test/lint.py BUILD planted      both must find the mistakes of test/lint/faulty.c
"""
import glob
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MODEL = os.path.join(ROOT, "test/lint/model.h")
MODELLED = os.path.join(ROOT, "src/base/error.c")  # what MODEL speaks of: must do without it
FAULTY = "test/lint/faulty.c"
FINDING = re.compile(r":\d+:(?:\d+:)? (?:fatal error|error|warning|performance|portability): ")


def run(command):
    """The lines of a tool that are findings, and what it says when it fails without one."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    lines = (done.stdout + done.stderr).splitlines()
    found = sorted({line for line in lines if FINDING.search(line)})
    if done.returncode != 0 and not found:
        found = [f"{command[0]}: exit status {done.returncode}", *lines[-20:]]
    return found


def clang_tidy(build, module):
    if not os.path.exists(os.path.join(build, "compile_commands.json")):
        return [f"{build}: no compile_commands.json; `make check` makes this build"]
    files = sorted(glob.glob(os.path.join(ROOT, "src", module, "*.c")))
    command = ["clang-tidy-14", "-p", build, "--quiet"]
    found = []
    if MODELLED in files:
        files.remove(MODELLED)
        found = run([*command, MODELLED])
    return found + run([*command, "--extra-arg=-include", f"--extra-arg={MODEL}", *files])


def cppcheck(*paths):
    machine = subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True,
                             check=True).stdout.strip()
    return run(["cppcheck", "--std=c11", "--language=c", "--quiet", "--error-exitcode=1",
                "--enable=warning,performance,portability", "--inline-suppr",
                "--suppressions-list=test/cppcheck-suppressions.txt",
                "--library=posix", "--library=gnu", "--library=openssl", "--library=sqlite3",
                f"--include=/usr/include/{machine}/sys/queue.h", "-D_GNU_SOURCE", "-Isrc",
                "--template={file}:{line}: {severity}: {message} [{id}]", *paths])


def planted():
    """The functions of the file in which neither tool found the mistake."""
    found = run(["clang-tidy-14", "--quiet", FAULTY, "--", "-std=gnu17", "-D_GNU_SOURCE", "-Isrc",
                 "-include", MODEL]) + cppcheck(FAULTY)
    with open(os.path.join(ROOT, FAULTY), encoding="utf-8") as file:
        lines = file.read().splitlines()
    functions = {}
    for number, line in enumerate(lines, 1):
        match = re.match(r"(?:int|void) (\w+)\(", line)
        if match:
            functions[match.group(1)] = number
    hits = {int(re.search(r"faulty\.c:(\d+)", line).group(1)) for line in found if FAULTY in line}
    starts = sorted(functions.values()) + [len(lines) + 1]
    return [f"{name}: its mistake was not found" for name, start in functions.items()
            if not any(start <= hit < starts[starts.index(start) + 1] for hit in hits)]


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    build, what = os.path.abspath(sys.argv[1]), sys.argv[2]
    if what == "planted":
        name, found = "planted mistakes are found", planted()
    elif what == "cppcheck":
        name, found = "cppcheck", cppcheck("src")
    else:
        name, found = f"clang-tidy, {what}", clang_tidy(build, what)
    print(f"1..1\n{'not ok' if found else 'ok'} 1 - lint: {name}")
    for line in found:
        print(f"# {line}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
