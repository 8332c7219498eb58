#include "main/handoff.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"

/*
 * The supervisor and its processes are hostile peers of each other: whatever comes, with whatever descriptors,
 * is taken or refused at once, and none of the descriptors is left over.
 */

enum {
	ROUNDS = 10000,
	PASSED_MAX = 253, /* the kernel takes no more in one message */
	MESSAGE_MAX = 4096,
};

/* ---------------------------------------------------------------- descriptors */

static size_t open_descriptors(void)
{
	size_t count = 0;
	DIR *dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

/* One of each kind, to be sent again and again. */
static int kinds[6];

static int set_up(void **state)
{
	int pair[2], tube[2];
	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(pipe2(tube, O_CLOEXEC), 0);
	kinds[0] = pair[0];
	kinds[1] = pair[1];
	kinds[2] = tube[0];
	kinds[3] = tube[1];
	kinds[4] = open("/dev/null", O_RDWR | O_CLOEXEC);
	kinds[5] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(kinds[4] >= 0 && kinds[5] >= 0);
	return crypto_init(NULL);
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		close(kinds[i]);
	return 0;
}

/* bytes with count descriptors at the first of them. */
static void send_with(int fd, struct str bytes, size_t count)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(PASSED_MAX * sizeof(int))] = {0};
	struct iovec part = {(void *)(uintptr_t)bytes.ptr, bytes.len};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	if (bytes.len == 0)
		return;
	if (count > 0) {
		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
		for (size_t i = 0; i < count; i++)
			memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &kinds[i % ARRAY_LEN(kinds)], sizeof(int));
	}
	assert_int_equal(sendmsg(fd, &message, MSG_NOSIGNAL), bytes.len);
}

/* ---------------------------------------------------------------- what must not be taken */

static void add_words(struct buf *out, const uint32_t *words, size_t count)
{
	buf_add(out, words, count * sizeof(*words));
}

static void add_settings(struct buf *out, size_t sockets)
{
	struct handoff handoff = {.index = 1};
	for (size_t i = 0; i < sockets; i++)
		strcpy(handoff.sockets[i].name, "imap");
	handoff.socket_count = sockets;
	assert_int_equal(handoff_add_settings(out, &handoff, NULL), 0);
}

static int receive(struct str bytes, size_t descriptors, struct handoff *ret)
{
	int ours, theirs;
	enum handoff_kind kind;
	assert_int_equal(handoff_pair(&ours, &theirs, NULL), 0);
	send_with(ours, bytes, descriptors);
	close(ours);
	int error = handoff_receive(theirs, true, &kind, ret, NULL);
	close(theirs);
	return error;
}

static void wrong_numbers_of_descriptors(void **state)
{
	static const struct {
		size_t named, sent;
		int error;
	} cases[] = {
		{0, 0, 0},
		{1, 1, 0},
		{64, 64, 0},
		{0, 1, E_INVALID},
		{1, 0, E_INVALID},
		{1, 2, E_INVALID},
		{2, 1, E_INVALID},
		{64, 63, E_INVALID},
		{63, 64, E_INVALID},
		{64, 65, E_INVALID},
		{64, PASSED_MAX, E_INVALID},
		{1, PASSED_MAX, E_INVALID},
	};
	(void)state;
	size_t before = open_descriptors();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct handoff got;
		struct buf bytes BUF_AUTO;
		buf_init(&bytes, MESSAGE_MAX);
		add_settings(&bytes, cases[i].named);
		int error = receive(buf_str(&bytes), cases[i].sent, &got);
		if (error != cases[i].error)
			fail_msg("%zu named, %zu sent: %s", cases[i].named, cases[i].sent, err_name(error));
		assert_int_equal(got.socket_count, error == 0 ? cases[i].named : 0);
		handoff_done(&got);
		assert_int_equal(open_descriptors(), before);
	}
}

static void descriptors_where_none_belong(void **state)
{
	static const struct {
		uint32_t words[4];
		size_t count;
	} cases[] = {
		{{HANDOFF_STOP, 0}, 2},
		{{HANDOFF_SETTINGS, 0}, 2},
		{{HANDOFF_READY, 0}, 2},
		{{HANDOFF_LINK, 8, 1, 111}, 4},
		{{0, 0}, 2},
		{{99, 0}, 2},
		{{99, 8, 1, 0}, 4},
	};
	(void)state;
	size_t before = open_descriptors();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct handoff got;
		struct buf bytes BUF_AUTO;
		buf_init(&bytes, MESSAGE_MAX);
		add_words(&bytes, cases[i].words, cases[i].count);
		assert_int_equal(receive(buf_str(&bytes), 1, &got), E_INVALID);
		assert_int_equal(open_descriptors(), before);
	}
}

/* The process may have no more: those that got in are closed again. */
static void no_room_for_descriptors(void **state)
{
	struct rlimit limit, low;
	struct handoff got;
	struct buf bytes BUF_AUTO;
	int ours, theirs, error;
	enum handoff_kind kind;
	(void)state;
	buf_init(&bytes, MESSAGE_MAX);
	add_settings(&bytes, 10);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	size_t before = open_descriptors();
	assert_int_equal(handoff_pair(&ours, &theirs, NULL), 0);
	send_with(ours, buf_str(&bytes), 10);
	int next = dup(theirs);
	close(next);
	low = (struct rlimit){(rlim_t)next + 3, limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	error = handoff_receive(theirs, true, &kind, &got, NULL);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(error, E_INVALID);
	assert_int_equal(got.socket_count, 0);
	close(ours);
	close(theirs);
	assert_int_equal(open_descriptors(), before);
}

/* ---------------------------------------------------------------- anything */

static uint32_t dice(uint64_t *seed, uint32_t sides)
{
	*seed = *seed * 6364136223846793005U + 1442695040888963407U;
	return (uint32_t)(*seed >> 33) % sides;
}

/* Words that mean something, in any order. */
static void add_soup(struct buf *out, uint64_t *seed)
{
	static const uint32_t words[] = {0,
	                                 1,
	                                 2,
	                                 3,
	                                 4,
	                                 5,
	                                 6,
	                                 7,
	                                 8,
	                                 9,
	                                 12,
	                                 16,
	                                 64,
	                                 255,
	                                 UINT32_MAX,
	                                 1U << 31,
	                                 HANDOFF_BODY_MAX,
	                                 HANDOFF_BODY_MAX + 1};
	for (uint32_t n = dice(seed, 12); n > 0; n--)
		add_words(out, &words[dice(seed, ARRAY_LEN(words))], 1);
}

static void add_message(struct buf *out, uint64_t *seed, uint32_t sockets)
{
	switch (dice(seed, 4)) {
	case 0:
		add_settings(out, sockets % (HANDOFF_SOCKETS_MAX + 1));
		break;
	case 1:
		assert_int_equal(handoff_add_order(out, HANDOFF_STOP, NULL), 0);
		break;
	case 2:
		add_words(out, (uint32_t[]){HANDOFF_LINK + dice(seed, 3), 8, dice(seed, 5), 0}, 4);
		break;
	default:
		add_soup(out, seed);
	}
}

static void double_start(struct buf *bytes, size_t len)
{
	char *copy MEM_AUTO = mem_copy_string(bytes->ptr, len);
	buf_add(bytes, copy, len);
}

/* Bytes are altered, taken away, doubled. */
static void spoil(struct buf *bytes, uint64_t *seed)
{
	for (uint32_t n = dice(seed, 4); n > 0 && bytes->len > 0; n--) {
		uint32_t at = dice(seed, (uint32_t)bytes->len);
		if (dice(seed, 2) == 0)
			bytes->ptr[at] = (char)dice(seed, 256);
		else if (dice(seed, 2) == 0)
			bytes->len = at;
		else
			double_start(bytes, at / 2);
	}
}

static void receive_all_of(int fd)
{
	struct handoff got;
	enum handoff_kind kind;
	while (handoff_receive(fd, true, &kind, &got, NULL) == 0) {
		assert_true(got.socket_count <= HANDOFF_SOCKETS_MAX);
		for (size_t i = 0; i < got.socket_count; i++) {
			assert_true(fcntl(got.sockets[i].fd, F_GETFD) == FD_CLOEXEC);
			assert_non_null(memchr(got.sockets[i].name, '\0', sizeof(got.sockets[i].name)));
		}
		assert_true(kind == HANDOFF_STOP || kind == HANDOFF_SETTINGS || kind == HANDOFF_LINK ||
		            kind == HANDOFF_PEER);
		handoff_done(&got);
	}
	assert_int_equal(got.socket_count, 0);
}

static void receive_orders_of(int fd)
{
	enum handoff_kind kind;
	struct handoff_link asked;
	while (handoff_receive_order(fd, &kind, &asked) == 0)
		assert_true(kind <= UINT32_MAX);
}

static void anything_with_any_descriptors(void **state)
{
	(void)state;
	size_t before = open_descriptors();
	for (uint64_t round = 0; round < ROUNDS; round++) {
		uint64_t seed = round;
		int ours, theirs;
		struct buf bytes BUF_AUTO;
		buf_init(&bytes, MESSAGE_MAX * 8);
		assert_int_equal(handoff_pair(&ours, &theirs, NULL), 0);
		for (uint32_t n = 1 + dice(&seed, 3); n > 0; n--) {
			uint32_t passed = dice(&seed, 3) == 0 ? dice(&seed, PASSED_MAX + 1) : dice(&seed, 4);
			buf_clear(&bytes);
			add_message(&bytes, &seed, passed);
			if (dice(&seed, 3) > 0)
				spoil(&bytes, &seed);
			/* In two pieces: descriptors come with the middle of a message, too. */
			uint32_t cut = bytes.len == 0 ? 0 : dice(&seed, (uint32_t)bytes.len);
			cut = dice(&seed, 2) == 0 ? 0 : cut;
			send_with(ours, str_slice(buf_str(&bytes), 0, cut), dice(&seed, 3));
			send_with(ours, str_from_byte(buf_str(&bytes), cut), passed);
		}
		close(ours);
		if (dice(&seed, 4) == 0)
			receive_orders_of(theirs);
		else
			receive_all_of(theirs);
		close(theirs);
		if (open_descriptors() != before)
			fail_msg("round %llu leaves descriptors open", (unsigned long long)round);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_numbers_of_descriptors),
		cmocka_unit_test(descriptors_where_none_belong),
		cmocka_unit_test(no_room_for_descriptors),
		cmocka_unit_test(anything_with_any_descriptors),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
