/*
 * Load generators: one client program for every row of the benchmark, as light as blocking clients
 * can be, so that the machine is left to the server. Prints one line of JSON.
 *
 *     bench-load MODE name=value ...
 *
 *     smtp, lmtp  deliver count messages of the corpus over connections sessions
 *     append      APPEND them over IMAP
 *     login       connect, LOGIN, SELECT, LOGOUT, count times
 *     fetch       one client fetches items of all messages
 *     idle        holds connections clients in IDLE until its standard input ends
 *     notify      delivers count messages, one after the other, to a mailbox where a client idles
 *     hold        runs a server and everything it starts, see hold.c
 *
 * The corpus is a file of messages, each behind its length as 4 bytes, little-endian; lines end in CR
 * LF and none begins with a dot.
 */

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire.h"

int hold_main(int argc, char **argv);

struct message {
	const char *ptr;
	size_t len;
};

static struct {
	const char *mode;
	int port, imap_port;
	int connections, count, users, first_user;
	bool tls, lmtp;
	const char *corpus, *password, *items, *passwords;
	struct message *messages;
	size_t message_count;
	char **user_passwords;
	int next; /* message to send, taken by the threads */
	int64_t *latency_us;
	uint64_t bytes;
} load = {.connections = 1, .count = 1, .users = 1, .password = "secret", .items = "(FLAGS)"};

static void load_corpus(void)
{
	struct stat status;
	int fd = open(load.corpus, O_RDONLY | O_CLOEXEC);
	const unsigned char *map;
	size_t at = 0, room = 0;

	if (fd < 0 || fstat(fd, &status) != 0)
		die("cannot open %s", load.corpus);
	map = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (map == MAP_FAILED)
		die("cannot map %s", load.corpus);
	close(fd);
	while (at + 4 <= (size_t)status.st_size) {
		size_t len = (size_t)map[at] | (size_t)map[at + 1] << 8 | (size_t)map[at + 2] << 16 |
		             (size_t)map[at + 3] << 24;

		if (load.message_count == room) {
			room = room == 0 ? 1024 : 2 * room;
			load.messages = realloc(load.messages, room * sizeof(*load.messages));
			if (load.messages == NULL)
				die("out of memory");
		}
		load.messages[load.message_count++] = (struct message){(const char *)map + at + 4, len};
		at += 4 + len;
	}
	if (load.message_count == 0 || at != (size_t)status.st_size)
		die("%s is no corpus", load.corpus);
}

/* One password a line, for user 0 and up; without the file everybody has the same. */
static const char *password_of(int user)
{
	return load.user_passwords != NULL ? load.user_passwords[user] : load.password;
}

static void load_passwords(void)
{
	char line[256];
	FILE *file = fopen(load.passwords, "r");
	int user = 0;

	if (file == NULL)
		die("cannot open %s", load.passwords);
	load.user_passwords = calloc((size_t)(load.first_user + load.users), sizeof(char *));
	if (load.user_passwords == NULL)
		die("out of memory");
	while (user < load.first_user + load.users && fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\r\n")] = '\0';
		load.user_passwords[user++] = strdup(line);
	}
	if (user < load.first_user + load.users)
		die("%s has passwords for %d users only", load.passwords, user);
	fclose(file);
}

/* ---------------------------------------------------------------- SMTP and LMTP */

static void expect_code(struct wire *wire, char class, const char *what)
{
	const char *line;

	do
		line = wire_line(wire, NULL);
	while (strlen(line) > 3 && line[3] == '-');
	if (line[0] != class)
		die("%s: %s", what, line);
}

static struct wire *smtp_open(int port)
{
	struct wire *wire = wire_new(port, false);

	expect_code(wire, '2', "greeting");
	wire_printf(wire, "%s bench.example.net\r\n", load.lmtp ? "LHLO" : "EHLO");
	expect_code(wire, '2', "EHLO");
	return wire;
}

static void smtp_send(struct wire *wire, int user, const struct message *message)
{
	wire_printf(wire, "MAIL FROM:<sender@example.net>\r\nRCPT TO:<user%d@example.test>\r\nDATA\r\n",
	            user);
	expect_code(wire, '2', "MAIL");
	expect_code(wire, '2', "RCPT");
	expect_code(wire, '3', "DATA");
	wire_write(wire, message->ptr, message->len);
	wire_write(wire, ".\r\n", 3);
}

static void *smtp_thread(void *unused)
{
	struct wire *wire = smtp_open(load.port);
	int n;

	(void)unused;
	while ((n = __atomic_fetch_add(&load.next, 1, __ATOMIC_RELAXED)) < load.count) {
		const struct message *message = &load.messages[(size_t)n % load.message_count];
		int64_t start = now_us();

		smtp_send(wire, load.first_user + n % load.users, message);
		expect_code(wire, '2', "end of data");
		load.latency_us[n] = now_us() - start;
		__atomic_fetch_add(&load.bytes, message->len, __ATOMIC_RELAXED);
	}
	wire_printf(wire, "QUIT\r\n");
	expect_code(wire, '2', "QUIT");
	wire_free(wire);
	return NULL;
}

/* ---------------------------------------------------------------- IMAP */

/* Reads up to the tagged reply, counting FETCH replies and passing over literals. */
static int imap_finish(struct wire *wire, const char *tag)
{
	size_t tag_len = strlen(tag), len;
	int fetched = 0;

	for (;;) {
		char *line = wire_line(wire, &len);

		if (strncmp(line, tag, tag_len) == 0 && line[tag_len] == ' ') {
			if (strncmp(line + tag_len + 1, "OK", 2) != 0)
				die("%s", line);
			return fetched;
		}
		if (line[0] == '*' && strstr(line, " FETCH ") != NULL)
			fetched++;
		while (len > 2 &&
		       line[len - 1] == '}') { /* RFC 9051 section 4.3: literal = "{" number "}" */
			char *brace = strrchr(line, '{');

			if (brace == NULL)
				break;
			wire_skip(wire, strtoul(brace + 1, NULL, 10));
			line = wire_line(wire, &len);
		}
	}
}

static struct wire *imap_open(int port, int user)
{
	struct wire *wire = wire_new(port, load.tls);

	(void)wire_line(wire, NULL);
	wire_printf(wire, "L LOGIN user%d@example.test %s\r\n", user, password_of(user));
	imap_finish(wire, "L");
	return wire;
}

static void *append_thread(void *arg)
{
	int user = load.first_user + (int)(intptr_t)arg % load.users;
	struct wire *wire = imap_open(load.port, user);
	int n;

	while ((n = __atomic_fetch_add(&load.next, 1, __ATOMIC_RELAXED)) < load.count) {
		const struct message *message = &load.messages[(size_t)n % load.message_count];
		int64_t start = now_us();
		const char *line;

		wire_printf(wire, "A APPEND INBOX {%zu}\r\n", message->len);
		line = wire_line(wire, NULL);
		if (line[0] != '+')
			die("APPEND: %s", line);
		wire_write(wire, message->ptr, message->len);
		wire_write(wire, "\r\n", 2);
		imap_finish(wire, "A");
		load.latency_us[n] = now_us() - start;
		__atomic_fetch_add(&load.bytes, message->len, __ATOMIC_RELAXED);
	}
	wire_printf(wire, "Z LOGOUT\r\n");
	imap_finish(wire, "Z");
	wire_free(wire);
	return NULL;
}

static void *login_thread(void *arg)
{
	int user = load.first_user + (int)(intptr_t)arg % load.users;
	int n;

	while ((n = __atomic_fetch_add(&load.next, 1, __ATOMIC_RELAXED)) < load.count) {
		int64_t start = now_us();
		struct wire *wire = imap_open(load.port, user);

		wire_printf(wire, "S SELECT INBOX\r\n");
		imap_finish(wire, "S");
		wire_printf(wire, "Z LOGOUT\r\n");
		imap_finish(wire, "Z");
		wire_free(wire);
		load.latency_us[n] = now_us() - start;
	}
	return NULL;
}

static void fetch(void)
{
	struct wire *wire = imap_open(load.port, load.first_user);
	int64_t start;
	uint64_t before;
	double seconds;
	int fetched;

	wire_printf(wire, "S SELECT INBOX\r\n");
	imap_finish(wire, "S");
	before = wire->read_bytes;
	start = now_us();
	wire_printf(wire, "F FETCH 1:* %s\r\n", load.items);
	fetched = imap_finish(wire, "F");
	seconds = (double)(now_us() - start) / 1e6;
	printf("{\"count\": %d, \"seconds\": %.6f, \"rate\": %.1f, \"bytes\": %llu}\n", fetched,
	       seconds, fetched / seconds, (unsigned long long)(wire->read_bytes - before));
	wire_printf(wire, "Z LOGOUT\r\n");
	imap_finish(wire, "Z");
	wire_free(wire);
}

static struct wire *idle_open(int port, int user)
{
	struct wire *wire = imap_open(port, user);
	const char *line;

	wire_printf(wire, "S SELECT INBOX\r\n");
	imap_finish(wire, "S");
	wire_printf(wire, "I IDLE\r\n");
	do
		line = wire_line(wire, NULL);
	while (line[0] == '*');
	if (line[0] != '+')
		die("IDLE: %s", line);
	return wire;
}

static void idle(void)
{
	char byte;

	for (int i = 0; i < load.connections; i++)
		(void)idle_open(load.port, load.first_user + i % load.users); /* held to the end */
	printf("{\"count\": %d}\n", load.connections);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

/* From the last byte of a message to the client's "* n EXISTS". */
static void notify(void)
{
	struct wire *idler = idle_open(load.imap_port, load.first_user);
	struct wire *sender = smtp_open(load.port);

	for (int n = 0; n < load.count; n++) {
		int64_t start;

		smtp_send(sender, load.first_user, &load.messages[(size_t)n % load.message_count]);
		start = now_us();
		while (strstr(wire_line(idler, NULL), " EXISTS") == NULL)
			;
		load.latency_us[n] = now_us() - start;
		expect_code(sender, '2', "end of data");
		usleep(20000);
	}
	wire_free(idler);
	wire_free(sender);
}

/* ---------------------------------------------------------------- running */

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void report(double seconds)
{
	qsort(load.latency_us, (size_t)load.count, sizeof(*load.latency_us), compare);
	printf("{\"count\": %d, \"seconds\": %.6f, \"rate\": %.1f, \"bytes\": %llu, "
	       "\"median_ms\": %.3f, \"p99_ms\": %.3f}\n",
	       load.count, seconds, load.count / seconds, (unsigned long long)load.bytes,
	       (double)load.latency_us[load.count / 2] / 1e3,
	       (double)load.latency_us[(int)(load.count * 0.99)] / 1e3);
}

static void run_threads(void *(*run)(void *))
{
	pthread_t *threads = calloc((size_t)load.connections, sizeof(*threads));
	int64_t start = now_us();

	if (threads == NULL)
		die("out of memory");
	for (int i = 0; i < load.connections; i++) {
		if (pthread_create(&threads[i], NULL, run, (void *)(intptr_t)i) != 0)
			die("cannot start a thread");
	}
	for (int i = 0; i < load.connections; i++)
		pthread_join(threads[i], NULL);
	report((double)(now_us() - start) / 1e6);
	free(threads);
}

static bool number(const char *argument, const char *name, int *ret)
{
	size_t len = strlen(name);

	if (strncmp(argument, name, len) != 0 || argument[len] != '=')
		return false;
	*ret = (int)strtol(argument + len + 1, NULL, 10);
	return true;
}

static bool text(const char *argument, const char *name, const char **ret)
{
	size_t len = strlen(name);

	if (strncmp(argument, name, len) != 0 || argument[len] != '=')
		return false;
	*ret = argument + len + 1;
	return true;
}

static void read_arguments(int argc, char **argv)
{
	int tls = 0;

	load.mode = argv[1];
	for (int i = 2; i < argc; i++) {
		if (!number(argv[i], "port", &load.port) &&
		    !number(argv[i], "imap_port", &load.imap_port) &&
		    !number(argv[i], "connections", &load.connections) &&
		    !number(argv[i], "count", &load.count) && !number(argv[i], "users", &load.users) &&
		    !number(argv[i], "first_user", &load.first_user) && !number(argv[i], "tls", &tls) &&
		    !text(argv[i], "corpus", &load.corpus) && !text(argv[i], "password", &load.password) &&
		    !text(argv[i], "passwords", &load.passwords) && !text(argv[i], "items", &load.items))
			die("what is %s?", argv[i]);
	}
	load.tls = tls != 0;
	if (load.connections < 1 || load.count < 1 || load.users < 1 || load.port < 1)
		die("port, connections, count and users are numbers from 1");
}

int main(int argc, char **argv)
{
	if (argc < 2)
		die("usage: bench-load MODE name=value ...");
	if (strcmp(argv[1], "hold") == 0)
		return hold_main(argc - 2, argv + 2);
	read_arguments(argc, argv);
	if (load.corpus != NULL)
		load_corpus();
	if (load.passwords != NULL)
		load_passwords();
	load.latency_us = calloc((size_t)load.count, sizeof(*load.latency_us));
	if (load.latency_us == NULL)
		die("out of memory");
	load.lmtp = strcmp(load.mode, "lmtp") == 0;
	if (strcmp(load.mode, "fetch") == 0) {
		fetch();
		return 0;
	}
	if (strcmp(load.mode, "idle") == 0) {
		idle();
		return 0;
	}
	if (strcmp(load.mode, "login") == 0) {
		run_threads(login_thread);
		return 0;
	}
	if (load.corpus == NULL)
		die("%s needs corpus=", load.mode);
	if (strcmp(load.mode, "smtp") == 0 || load.lmtp) {
		run_threads(smtp_thread);
	} else if (strcmp(load.mode, "append") == 0) {
		run_threads(append_thread);
	} else if (strcmp(load.mode, "notify") == 0 || strcmp(load.mode, "notify-lmtp") == 0) {
		int64_t start = now_us();

		load.lmtp = load.mode[6] != '\0';
		notify();
		report((double)(now_us() - start) / 1e6);
	} else {
		die("unknown mode %s", load.mode);
	}
	return 0;
}
