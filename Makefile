# Thin: what is done stands in tools/, test/ and bench/; what is built in meson.build.

PREFIX = /usr/local

.PHONY: help setup build run check fuzz bench install clean

help:
	@echo "make run      build, start a service of your own on loopback, send it a mail, read it back"
	@echo "make check    build with sanitizers and run every test"
	@echo "make fuzz     fuzz every parser for FUZZ_SECONDS each (600)"
	@echo "make bench    measure, beside Dovecot and Postfix from Debian"
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

install: build
	@meson configure build -Dprefix=$(PREFIX)
	@meson install -C build

clean:
	rm -rf build build-check build-fuzz
