#!/usr/bin/env python3
"""What a reader would stumble over, checked first because it is cheap. Prints TAP."""
import collections
import glob
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FILE_LINES_MAX = 600
# Calls that STYLE forbids, as whole words followed by a parenthesis.
FORBIDDEN = ("strcpy|strncpy|strcat|strncat|sprintf|vsprintf|sscanf|scanf|atoi|atol|strtok|gets|"
             "strcasecmp|strncasecmp|isalpha|isdigit|isspace|tolower|toupper|longjmp|alloca")


def sources(*patterns):
    found = []
    for pattern in patterns:
        found += glob.glob(os.path.join(ROOT, pattern), recursive=True)
    return sorted(found)


def relative(path):
    return os.path.relpath(path, ROOT)


def formatted():
    files = sources("src/*/*.[ch]", "test/unit/*/*.c", "test/fuzz/*.c")
    result = subprocess.run(["clang-format-14", "--style=file", "--dry-run", "--Werror", *files],
                            capture_output=True, text=True, cwd=ROOT)
    return sorted({line.split(":")[0] for line in result.stderr.splitlines() if "error:" in line})


def spelled():
    result = subprocess.run(
        ["codespell", "--quiet-level=2", "--ignore-words", "test/spelling-ignore.txt", "--skip",
         "*/corpus/*,*/dictionary.c", "src", "doc", "man", "test", "tools", "proto", "README.md"],
        capture_output=True, text=True, cwd=ROOT)
    return result.stdout.splitlines() if result.returncode else []


def forbidden_calls():
    pattern = re.compile(rf"(?<![\w.>\"])(?:{FORBIDDEN})\s*\(")
    for path in sources("src/*/*.[ch]"):
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                code = line.split("//")[0]
                if pattern.search(code) and not line.lstrip().startswith("*"):
                    yield f"{relative(path)}:{number}: {line.strip()}"


def long_files():
    for path in sources("src/*/*.c"):
        with open(path, encoding="utf-8") as file:
            lines = sum(1 for _ in file)
        if lines > FILE_LINES_MAX and not path.endswith("dictionary.c"):
            yield f"{relative(path)}: {lines} lines"


def prototypes_explained():
    """A public prototype has a comment in front of it, or stands in a run that has one."""
    prototype = re.compile(r"^(?!static|typedef|#)[a-z_][\w\s*]*\b(\w+)\([^;{]*\)[^;{]*;", re.M)
    for path in sources("src/*/*.h"):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for block in re.split(r"\n\s*\n", text):
            found = prototype.search(block)
            if found and "/*" not in block:
                before = text[: text.index(block)].rstrip()
                if not before.endswith("*/"):
                    yield f"{relative(path)}: {found.group(1)}() stands in a block without a comment"


def unused_functions():
    """What nobody in src/ calls goes, unless its comment says that it is for tests."""
    texts = {}
    for path in sources("src/*/*.[ch]"):
        with open(path, encoding="utf-8") as file:
            texts[path] = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    words = collections.Counter(word for text in texts.values() for word in re.findall(r"\w+", text))
    prototype = re.compile(r"^(?!static|typedef|#|\s)[a-z_][\w\s*]*?\b(\w+)\([^;{]*\)[^;{]*;", re.M)
    for path in sources("src/*/*.h"):
        for name in prototype.findall(texts[path]):
            if words[name] <= 2 and not is_for_tests(path, name):
                yield f"{relative(path)}: nobody calls {name}()"


def is_for_tests(path, name):
    with open(path, encoding="utf-8") as file:
        before = file.read().split(f"{name}(")[0]
    return re.search(r"/\*[^/]*\b[Ff]or tests\b[^/]*\*/[^;/]*$", before) is not None


def bare_unpacking():
    """Who unpacks without counting first lets a peer turn two bytes into hundreds."""
    pattern = re.compile(r"(?:__unpack|\bprotobuf_c_message_unpack)\s*\(")
    for path in sources("src/*/*.[ch]"):
        if relative(path) == "src/net/wire.c":
            continue
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if pattern.search(line):
                    yield f"{relative(path)}:{number}: wire_unpack of net/wire.h bounds it"


TESTS = [
    ("style: clang-format", formatted),
    ("style: codespell", spelled),
    ("style: no forbidden call", lambda: list(forbidden_calls())),
    ("style: nothing is unpacked without a bound", lambda: list(bare_unpacking())),
    ("style: no file grows past the limit", lambda: list(long_files())),
    ("style: functions have callers", lambda: list(unused_functions())),
    ("style: public prototypes are explained", lambda: list(prototypes_explained())),
]


def main():
    failed = 0
    print(f"1..{len(TESTS)}")
    for number, (name, test) in enumerate(TESTS, 1):
        found = test()
        print(f"{'not ok' if found else 'ok'} {number} - {name}")
        for line in found:
            print(f"# {line}")
        failed += bool(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
