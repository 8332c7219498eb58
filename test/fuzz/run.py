#!/usr/bin/env python3
"""One fuzz target for some seconds: run.py BUILD NAME SECONDS. Prints TAP.

What libFuzzer finds goes to a folder of its own; the corpus of the tree is only read.
"""
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def main():
    build, name, seconds = sys.argv[1:4]
    program = os.path.join(build, "test", "fuzz", f"fuzz-{name}")
    here = os.path.join(ROOT, "test", "fuzz")
    with tempfile.TemporaryDirectory(prefix="postkasse-fuzz-") as found:
        result = subprocess.run(
            [program, f"-max_total_time={seconds}", f"-dict={here}/{name}.dict",
             f"-artifact_prefix={found}/", "-rss_limit_mb=2048", "-timeout=20", "-max_len=65536",
             "-print_final_stats=1", found, os.path.join(here, "corpus", name)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        text = result.stdout.decode("utf-8", "replace")
        runs = [line for line in text.splitlines() if "number_of_executed_units" in line]
        count = int(runs[0].split()[-1]) if runs else 0
        good = result.returncode == 0 and count > 0
        print(f"1..1\n{'ok' if good else 'not ok'} 1 - fuzz {name}: {count} inputs in {seconds} s")
        if not good:
            print("# " + "\n# ".join(text.splitlines()[-60:]))
            for crash in sorted(os.listdir(found)):
                if crash.startswith(("crash-", "leak-", "timeout-", "oom-", "slow-unit-")):
                    with open(os.path.join(found, crash), "rb") as file:
                        print(f"# {crash}: {file.read()[:4000].hex()}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
