/* What a core has is shared between its peers: places, memory for uploads, memory for what is not read. */

#include "net/link.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "link_raw.h"

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
		cmocka_unit_test(places_test),
		cmocka_unit_test(pledge_test),
		cmocka_unit_test(stall_test),
		cmocka_unit_test(output_test),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
