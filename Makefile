# Thin: what is done stands in tools/, test/ and bench/; what is built in meson.build.

PREFIX = /usr/local

.PHONY: help setup build run check fuzz bench coverage mutants hooks install clean

help:
	@echo "make run      build, start a service of your own on loopback, send it a mail, read it back"
	@echo "make check    build with sanitizers and run every test"
	@echo "make fuzz     fuzz every parser for FUZZ_SECONDS each (600)"
	@echo "make bench    measure, beside Dovecot and Postfix from Debian"
	@echo "make coverage which lines no unit test reaches"
	@echo "make mutants  which small changes of the code no test notices (MUTANTS=100)"
	@echo "make hooks    check style and layers before each commit"
	@echo "make install  install to PREFIX ($(PREFIX))"
	@echo "make clean    remove what was built; data stays"

setup:
	@tools/setup run

build: setup
	@tools/build build

run: build
	@tools/run

check:
	@tools/setup check
	@tools/build build-check
	@tools/build build
	@tools/build build-fuzz
	@test/run.py build-check

fuzz:
	@tools/setup check
	@tools/build build-fuzz
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-600} test/run.py build-check fuzz

bench:
	@tools/setup bench
	@tools/build build
	@bench/run

coverage:
	@tools/setup coverage
	@tools/build build-coverage
	@test/run.py build-coverage unit replay
	@gcovr --root . --filter src/ --sort-percentage --exclude-unreachable-branches \
		--html-details build-coverage/coverage.html build-coverage

mutants:
	@tools/setup check
	@tools/mutants --count $${MUTANTS:-100}

hooks:
	@git config core.hooksPath tools/hooks

install: build
	@meson configure build -Dprefix=$(PREFIX)
	@meson install -C build

clean:
	rm -rf build build-check build-fuzz build-coverage build-mutants
