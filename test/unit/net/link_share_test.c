/* What a core has is shared between its peers: places, memory for uploads, memory for what is not read. */

#include "net/link.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "link_raw.h"
#include "net/link_server_internal.h"
#include "relay.h"
#include "tls_material.h"

static void core_with(struct core *core, const struct link_server_limits *limits)
{
	const struct link_server_options options = {
		.role = "store",
		.allowed = allowed,
		.allowed_count = 2,
		.limits = *limits,
	};
	core_init(core, &options);
}

/* A peer that has said hello. */
static void raw_up(struct raw *raw, struct core *core)
{
	int up = core->peers_up;
	raw_client(raw, core);
	send_hello(raw, LINK_VERSION, "imap");
	wait_until(core->loop, core->peers_up == up + 1);
}

/* Waits for the next reply, past hello and grants, and returns its error. */
static int next_reply(struct core *core, struct raw *raw)
{
	struct buf message BUF_AUTO;
	struct frame frame = {0};
	buf_init(&message, LINK_MESSAGE_MAX);
	do {
		wait_until(core->loop, raw_next(raw, &message, &frame));
	} while (frame.kind != PK__FRAME__KIND__REPLY);
	return frame.error;
}

/* A front that is, to the core, who origin says; NULL: the user of this process. */
static void front_of(struct front *front, struct core *core, const struct link_origin *origin)
{
	int fds[2];
	const struct link_handlers handlers = front_handlers(front);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	link_server_add_fd(core->server, fds[0], origin);
	front->link = link_new_fd(core->loop, NULL, fds[1], "imap", &handlers);
}

static void echo(struct core *core, struct front *front)
{
	struct answer answer = {0};
	ask(front->link, ECHO, "x", LINK_ONCE, &answer);
	wait_for(core->loop, &answer.done);
	assert_int_equal(answer.error, 0);
	forget(&answer, 1);
}

/* One user of this host has a quarter of the places. */
static void places_test(void **state)
{
	(void)state;
	struct core core;
	static struct raw raw[LINK_PEERS_OF_ONE + 1];
	core_with(&core, &(struct link_server_limits){0});
	for (size_t i = 0; i < ARRAY_LEN(raw); i++) {
		int fds[2];
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		link_server_add_fd(core.server, fds[0], NULL);
		raw_init(&raw[i], fds[1], true);
		assert_int_equal(raw_read(&raw[i]), i < LINK_PEERS_OF_ONE);
	}
	raw_done(&raw[0]);
	settle(core.loop);
	struct raw again;
	raw_client(&again, &core);
	raw_done(&again);
	for (size_t i = 1; i < ARRAY_LEN(raw); i++)
		raw_done(&raw[i]);
	core_done(&core);
}

static int connect_from(uint32_t host, uint16_t port)
{
	struct sockaddr_in ours = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(host)};
	struct sockaddr_in core = {.sin_family = AF_INET, .sin_port = htons(port)};
	core.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ours, sizeof(ours)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&core, sizeof(core)), 0);
	return fd;
}

static bool is_open(int fd)
{
	char byte;
	return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}

/* Other hosts that take what they can get leave a place to the next host, to users of this one, and to its
 * processes even when there is none. */
static void other_hosts_test(void **state)
{
	enum { HOSTS = 6, EACH = LINK_PEERS_OF_ONE + 10, PROCESSES = 5 };
	static const char *const addresses[] = {"127.0.0.0/8", NULL};
	static int fds[HOSTS][EACH];
	(void)state;
	struct core core;
	struct tls_context *tls = material_server();
	const struct link_server_options options = {
		.role = "store",
		.allowed = allowed,
		.allowed_count = 2,
		.tls = tls,
		.limits.allowed_addresses = addresses,
	};
	core_init(&core, &options);
	uint16_t port;
	link_server_listen(core.server, listen_tcp("127.0.0.1", &port), true);
	size_t places = 0;
	for (uint32_t host = 0; host < HOSTS; host++) {
		size_t open = 0;
		for (size_t i = 0; i < EACH; i++) {
			fds[host][i] = connect_from(INADDR_LOOPBACK + 1 + host, port);
			loop_run_once(core.loop, 0);
		}
		settle(core.loop);
		for (size_t i = 0; i < EACH; i++)
			open += is_open(fds[host][i]);
		assert_true(open > 0 && open <= LINK_PEERS_OF_ONE);
		places += open;
	}
	assert_true(places > LINK_PEERS_MAX * 3 / 4 && places < LINK_PEERS_MAX);
	struct front user, processes[PROCESSES];
	front_of(&user, &core, NULL);
	echo(&core, &user);
	for (uint32_t i = 0; i < PROCESSES; i++) {
		front_of(&processes[i], &core, &(struct link_origin){"imap", i});
		echo(&core, &processes[i]);
		link_free(processes[i].link);
	}
	link_free(user.link);
	for (size_t host = 0; host < HOSTS; host++)
		for (size_t i = 0; i < EACH; i++)
			close(fds[host][i]);
	core_done(&core);
	tls_context_free(tls);
}

/* A user who has taken all that he can get is in nobody's way. */
static void busy_user_test(void **state)
{
	(void)state;
	struct core core;
	static struct front fronts[LINK_PEERS_OF_ONE];
	core_with(&core, &(struct link_server_limits){0});
	for (size_t i = 0; i < ARRAY_LEN(fronts); i++)
		front_of(&fronts[i], &core, NULL);
	wait_until(core.loop, core.peers_up == LINK_PEERS_OF_ONE);
	struct front process;
	front_of(&process, &core, &(struct link_origin){"imap", 1});
	echo(&core, &process);
	echo(&core, &fronts[0]); /* and he is served */
	link_free(process.link);
	for (size_t i = 0; i < ARRAY_LEN(fronts); i++)
		link_free(fronts[i].link);
	core_done(&core);
}

/* Who is one and the same to a core. */
static void owners_test(void **state)
{
	static const struct {
		const char *address; /* NULL: none */
		uint32_t uid;
		struct link_origin origin; /* role NULL: none */
		int same_as;               /* the first case that is the same owner */
	} cases[] = {
		{NULL, 1000, {0}, 0},
		{NULL, 1001, {0}, 1},
		{NULL, 0, {"imap", 1}, 2},
		{NULL, 7, {"imap", 1}, 2},
		{NULL, 0, {"imap", 2}, 4},
		{NULL, 0, {"smtp", 1}, 5},
		{"192.0.2.1", 0, {0}, 6},
		{"192.0.2.2", 0, {0}, 7},
		{"2001:db8::1", 0, {0}, 8},
		{"2001:db8::ffff:1", 0, {0}, 8},
		{"2001:db8:0:1::1", 0, {0}, 10},
	};
	(void)state;
	struct core core;
	core_with(&core, &(struct link_server_limits){0});
	struct link_owner *owners[ARRAY_LEN(cases)];
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sockaddr_storage address = {0};
		int len = sizeof(address);
		if (cases[i].address != NULL)
			assert_int_equal(
				evutil_parse_sockaddr_port(cases[i].address, (struct sockaddr *)&address, &len), 0);
		owners[i] = link_owner_get(
			core.server, cases[i].address == NULL ? NULL : (struct sockaddr *)&address,
			cases[i].uid, cases[i].origin.role == NULL ? NULL : &cases[i].origin);
		for (size_t k = 0; k <= i; k++)
			assert_int_equal(owners[k] == owners[i], cases[k].same_as == cases[i].same_as);
	}
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		link_owner_release(core.server, owners[i]);
	core_done(&core);
}

static void upload(struct core *core, struct front *front, size_t size)
{
	struct answer answer = {0};
	char *bytes = mem_new(size);
	ask_upload(front->link, SUM, STR_OF(bytes, size), LINK_ONCE, &answer);
	wait_for(core->loop, &answer.done);
	assert_int_equal(answer.error, 0);
	forget(&answer, 1);
	free(bytes);
}

/* A peer that pledges uploads and sends nothing has a quarter of the room; the others go on. */
static void pledge_test(void **state)
{
	(void)state;
	struct core core;
	struct front front;
	struct raw raw;
	core_with(&core, &(struct link_server_limits){.upload_total_max = 800000});
	front_init(&front, &core);
	raw_up(&raw, &core);
	for (uint64_t id = 1; id <= 5; id++)
		raw_request(&raw, id, KEEP, 0, 150000);
	settle(core.loop);
	upload(&core, &front, 200000);
	upload(&core, &front, 200000);
	raw_done(&raw);
	link_free(front.link);
	core_done(&core);
}

/* A peer of origin that has said hello. */
static void raw_up_of(struct raw *raw, struct core *core, const struct link_origin *origin)
{
	int up = core->peers_up;
	raw_client_of(raw, core, origin);
	send_hello(raw, LINK_VERSION, "imap");
	wait_until(core->loop, core->peers_up == up + 1);
}

static size_t grants(struct raw *raw)
{
	struct buf message BUF_AUTO;
	struct frame frame;
	size_t count = 0;
	buf_init(&message, LINK_MESSAGE_MAX);
	while (raw_next(raw, &message, &frame))
		count += frame.kind == PK__FRAME__KIND__GRANT;
	return count;
}

/* All connections of one process together have half of the room: the third of them waits until another one is
 * gone, while a second process, and a user, get theirs at once. */
static void two_owners_test(void **state)
{
	static const struct link_origin hostile = {"imap", 1}, honest = {"imap", 2};
	(void)state;
	struct core core;
	struct raw raws[3];
	struct front other, user;
	core_with(&core, &(struct link_server_limits){.upload_total_max = 800000});
	for (size_t i = 0; i < ARRAY_LEN(raws); i++) {
		raw_up_of(&raws[i], &core, &hostile);
		raw_request(&raws[i], 1, KEEP, 0, 190000);
		settle(core.loop);
		assert_int_equal(grants(&raws[i]), i < 2);
	}
	front_of(&other, &core, &honest);
	front_of(&user, &core, NULL);
	for (int round = 0; round < 3; round++) {
		upload(&core, &other, 200000);
		upload(&core, &user, 200000);
	}
	assert_int_equal(grants(&raws[2]), 0);
	raw_done(&raws[0]);
	size_t granted = 0;
	wait_until(core.loop, (granted += grants(&raws[2])) == 1);
	raw_done(&raws[1]);
	raw_done(&raws[2]);
	link_free(other.link);
	link_free(user.link);
	core_done(&core);
}

/* And what it has been granted has to come: at once, and at some rate. */
static void stall_test(void **state)
{
	(void)state;
	for (int slowly = 0; slowly < 2; slowly++) {
		struct core core;
		struct front front;
		struct raw raw;
		struct answer answer = {0};
		char *bytes = mem_new(90000);
		core_with(&core, &(struct link_server_limits){
							 .upload_total_max = 100000,
							 .upload_stall_ms = 100,
						 });
		front_init(&front, &core);
		raw_up(&raw, &core);
		raw_request(&raw, 1, KEEP, 0, 90000);
		settle(core.loop);
		ask_upload(front.link, SUM, STR_OF(bytes, 90000), LINK_ONCE, &answer);
		int64_t last = clock_monotonic_ms(), until = last + PATIENCE_MS;
		while (!answer.done && clock_monotonic_ms() < until) {
			if (slowly && clock_monotonic_ms() > last)
				raw_data(&raw, 1, 1);
			last = clock_monotonic_ms();
			loop_run_once(core.loop, 20);
		}
		assert_true(answer.done);
		assert_int_equal(answer.error, 0);
		assert_int_equal(next_reply(&core, &raw), E_TIMEOUT);
		raw_request(&raw, 2, ECHO, 0, 0);
		assert_int_equal(next_reply(&core, &raw), 0);
		free(bytes);
		forget(&answer, 1);
		raw_done(&raw);
		link_free(front.link);
		core_done(&core);
	}
}

/* Who asks and does not read goes when the memory for all is full; who reads stays. */
static void output_test(void **state)
{
	(void)state;
	struct core core;
	struct front front;
	struct raw raw;
	core_with(&core, &(struct link_server_limits){.output_total_max = 1000000});
	front_init(&front, &core);
	raw_up(&raw, &core);
	for (uint64_t id = 1; core.peers_down == 0 && id < 1000; id++) {
		char bytes[50000] = {0};
		const struct frame frame = {
			.kind = PK__FRAME__KIND__REQUEST,
			.id = id,
			.method = ECHO,
			.body = STR_OF(bytes, sizeof(bytes)),
		};
		if (id < 60) /* far more than the kernel keeps */
			raw_message(&raw, &frame);
		loop_run_once(core.loop, 5);
	}
	assert_int_equal(core.peers_down, 1);
	upload(&core, &front, 200000);
	assert_int_equal(front.downs, 0);
	raw_done(&raw);
	link_free(front.link);
	core_done(&core);
}

int main(void)
{
	struct errinfo info;
	if (crypto_init(&info) != 0)
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_test),     cmocka_unit_test(other_hosts_test),
		cmocka_unit_test(busy_user_test),  cmocka_unit_test(owners_test),
		cmocka_unit_test(two_owners_test), cmocka_unit_test(pledge_test),
		cmocka_unit_test(stall_test),      cmocka_unit_test(output_test),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
