#include "main/listen.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"

static const struct {
	const char *text;
	const char *canonical; /* NULL: refused */
} addresses[] = {
	{"127.0.0.1:25", "127.0.0.1:25"},
	{"0.0.0.0:0", "0.0.0.0:0"},
	{"[::]:993", "[::]:993"},
	{"[2001:DB8:0::1]:65535", "[2001:db8::1]:65535"},
	{"[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.1]:1"},
	{"", NULL},
	{":25", NULL},
	{"127.0.0.1", NULL},
	{"127.0.0.1:", NULL},
	{"127.0.0.1:65536", NULL},
	{"127.0.0.1:-1", NULL},
	{"127.0.0.1:25x", NULL},
	{"127.1:25", NULL},
	{"localhost:25", NULL},
	{"::1:25", NULL},
	{"[::1]", NULL},
	{"[::1:25", NULL},
	{"[]:25", NULL},
	{"[127.0.0.1]:25", NULL},
	{"[fe80::1%eth0]:25", NULL},
	{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:25", NULL},
};

static void addresses_are_read_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		struct listen_address address;
		struct errinfo info = {0};
		char text[LISTEN_TEXT_SIZE];
		int error = listen_address_parse(&address, str_from(addresses[i].text), &info);
		assert_int_equal(error, addresses[i].canonical == NULL ? E_INVALID : 0);
		if (error == 0) {
			listen_address_format(&address, text);
			assert_string_equal(text, addresses[i].canonical);
		} else {
			assert_non_null(strstr(info.text, "is no address and port"));
		}
	}
}

static int bind_text(const char *text, bool share, int *ret_fd, struct errinfo *info)
{
	struct listen_address address;
	assert_int_equal(listen_address_parse(&address, str_from(text), info), 0);
	return listen_tcp(ret_fd, &address, share, info);
}

static void sockets_listen_and_say_where(void **state)
{
	(void)state;
	struct listen_address bound;
	struct errinfo info;
	char text[LISTEN_TEXT_SIZE];
	int first, second;
	assert_int_equal(bind_text("127.0.0.1:0", false, &first, &info), 0);
	listen_bound_address(first, &bound);
	assert_int_not_equal(ntohs(bound.v4.sin_port), 0);
	assert_int_not_equal(fcntl(first, F_GETFD) & FD_CLOEXEC, 0);
	assert_int_not_equal(fcntl(first, F_GETFL) & O_NONBLOCK, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, &bound.any, bound.len), 0);
	close(client);
	listen_address_format(&bound, text);
	assert_int_equal(bind_text(text, false, &second, &info), E_BUSY);
	assert_int_equal(bind_text(text, true, &second, &info), E_BUSY);
	close(first);
	assert_int_equal(bind_text(text, true, &first, &info), 0);
	assert_int_equal(bind_text(text, true, &second, &info), 0);
	close(first);
	close(second);
	assert_int_equal(bind_text("192.0.2.1:0", false, &first, &info), E_UNSUPPORTED);
}

static void unix_sockets_are_ours_alone(void **state)
{
	(void)state;
	char folder[] = "/tmp/postkasse-listen-XXXXXX", path[64];
	struct errinfo info;
	struct stat status;
	int fd;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/x.sock", folder);
	assert_int_equal(listen_unix(&fd, path, &info), 0);
	assert_int_equal(lstat(path, &status), 0);
	assert_int_equal(status.st_mode, S_IFSOCK | 0600);
	close(fd);
	/* A socket left over is replaced, also when its mode was another. */
	assert_int_equal(chmod(path, 0660), 0);
	assert_int_equal(listen_unix(&fd, path, &info), 0);
	assert_int_equal(lstat(path, &status), 0);
	assert_int_equal(status.st_mode, S_IFSOCK | 0600);
	close(fd);
	assert_int_equal(unlink(path), 0);
	/* Anything else is not. */
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_int_equal(listen_unix(&fd, path, &info), E_EXISTS);
	assert_int_equal(unlink(path), 0);
	char long_path[200];
	memset(long_path, 'x', sizeof(long_path));
	long_path[0] = '/';
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(listen_unix(&fd, long_path, &info), E_INVALID);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read_or_refused),
		cmocka_unit_test(sockets_listen_and_say_where),
		cmocka_unit_test(unix_sockets_are_ours_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
