/* One end of the link breaks the rules of one request: that request ends, on either side, and everything
 * else on the same connection goes on. */

#include "net/link.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "link_raw.h"

/* ---------------------------------------------------------------- fronts */

static void send_credit(struct raw *raw, uint64_t credit)
{
	const struct frame frame = {.kind = PK__FRAME__KIND__CREDIT, .id = 1, .credit = credit};
	raw_message(raw, &frame);
}

static void much_credit_at_once(struct raw *raw)
{
	raw_request(raw, 1, KEEP, UINT64_MAX, 0);
}

static void much_credit(struct raw *raw)
{
	raw_request(raw, 1, KEEP, 10, 0);
	send_credit(raw, UINT64_MAX / 2);
}

static void credit_for_no_stream(struct raw *raw)
{
	raw_request(raw, 1, KEEP, 0, 0);
	send_credit(raw, 5);
	send_credit(raw, 5); /* to nobody by now */
}

static void too_much_data(struct raw *raw)
{
	raw_request(raw, 1, KEEP, 0, 10);
	raw_data(raw, 1, 11);
	raw_data(raw, 1, 11);
}

static void data_after_all(struct raw *raw)
{
	raw_request(raw, 1, KEEP, 0, 10);
	raw_data(raw, 1, 10);
	raw_data(raw, 1, 1);
}

static void data_past_grant(struct raw *raw)
{
	raw_request(raw, 1, KEEP, 0, 1000000); /* the core grants the rest; we do not wait for it */
	raw_data(raw, 1, LINK_PIECE_MAX);
}

static void large_piece(struct raw *raw)
{
	raw_request(raw, 1, KEEP, 0, LINK_PIECE_MAX * 2);
	raw_data(raw, 1, LINK_PIECE_MAX + 1);
}

static const struct {
	void (*send)(struct raw *raw);
	bool delivered; /* the core had it, and is told that nobody waits for it any more */
} front_faults[] = {
	{much_credit_at_once, false}, {much_credit, true},    {credit_for_no_stream, true},
	{too_much_data, false},       {data_after_all, true}, {data_past_grant, false},
	{large_piece, false},
};

/* The reply to id, past hello and grants. */
static void wait_reply(struct core *core, struct raw *raw, uint64_t id, int error)
{
	struct buf message BUF_AUTO;
	struct frame frame = {0};
	buf_init(&message, LINK_MESSAGE_MAX);
	do {
		wait_until(core->loop, raw_next(raw, &message, &frame));
	} while (frame.kind != PK__FRAME__KIND__REPLY);
	assert_int_equal(frame.id, id);
	assert_int_equal(frame.error, error);
}

static void front_test(void **state)
{
	(void)state;
	/* So that nothing past the first piece is granted: a front that waits holds the budget. */
	const struct link_server_options options = {
		.role = "store",
		.allowed = allowed,
		.allowed_count = 2,
		.limits.upload_total_max = 100000,
	};
	struct core core;
	core_init(&core, &options);
	for (size_t i = 0; i < ARRAY_LEN(front_faults); i++) {
		struct raw holder, raw;
		int up = core.peers_up, cancelled = core.cancelled, down = core.peers_down;
		raw_client(&holder, &core);
		send_hello(&holder, LINK_VERSION, "imap");
		raw_request(&holder, 1, KEEP, 0, 90000);
		raw_client(&raw, &core);
		send_hello(&raw, LINK_VERSION, "imap");
		wait_until(core.loop, core.peers_up == up + 2);
		front_faults[i].send(&raw);
		wait_reply(&core, &raw, 1, E_INVALID);
		assert_int_equal(core.cancelled, cancelled + front_faults[i].delivered);
		raw_request(&raw, 2, ECHO, 0, 0);
		wait_reply(&core, &raw, 2, 0);
		assert_int_equal(core.peers_down, down);
		if (front_faults[i].delivered)
			reply_text(core.kept[--core.kept_count], "goes nowhere");
		raw_done(&raw);
		raw_done(&holder);
		wait_until(core.loop, core.peers_down == down + 2);
	}
	core_done(&core);
}

/* ---------------------------------------------------------------- cores */

static void chunk_without_credit(struct raw *raw)
{
	const struct frame chunk = {.kind = PK__FRAME__KIND__CHUNK, .id = 1, .body = STR("xxxxx")};
	raw_message(raw, &chunk);
	raw_message(raw, &chunk);
	raw_message(raw, &chunk); /* the credit is 10 */
	raw_message(raw, &chunk);
}

static void large_grant(struct raw *raw)
{
	const struct frame grant = {.kind = PK__FRAME__KIND__GRANT, .id = 1, .credit = 1};
	raw_message(raw, &grant);
}

static void unknown_error(struct raw *raw)
{
	const struct frame reply = {.kind = PK__FRAME__KIND__REPLY, .id = 1, .error = 5};
	raw_message(raw, &reply);
}

static void core_test(void **state)
{
	(void)state;
	static void (*const faults[])(struct raw *) = {chunk_without_credit, large_grant,
	                                               unknown_error};
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		struct loop *loop = loop_new();
		struct front front;
		struct raw raw;
		struct answer answer = {0}, other = {0};
		raw_core_begin(&raw, loop, &front);
		const struct link_request request = {
			.method = KEEP,
			.credit = 10,
			.ctx = &answer,
			.chunk = on_chunk,
			.reply = on_reply,
		};
		link_call(front.link, &request);
		ask(front.link, ECHO, "", LINK_ONCE, &other);
		raw_core_open(&raw, loop);
		send_hello(&raw, LINK_VERSION, "store");
		faults[i](&raw);
		wait_for(loop, &answer.done);
		assert_int_equal(answer.error, E_INTERNAL);
		const struct frame reply = {.kind = PK__FRAME__KIND__REPLY, .id = 2};
		raw_message(&raw, &reply);
		wait_for(loop, &other.done);
		assert_int_equal(other.error, 0);
		assert_int_equal(front.downs, 0);
		forget(&answer, 1);
		forget(&other, 1);
		link_free(front.link);
		raw_done(&raw);
		loop_free(loop);
	}
}

/* A core of a later version: what it sends and we do not know is passed over, an error that we do not
 * know is a fault inside. */
static void later_core_test(void **state)
{
	(void)state;
	struct loop *loop = loop_new();
	struct front front;
	struct raw raw;
	struct answer answer = {0}, other = {0};
	raw_core_begin(&raw, loop, &front);
	ask(front.link, ECHO, "", LINK_ONCE, &answer);
	ask(front.link, ECHO, "", LINK_ONCE, &other);
	raw_core_open(&raw, loop);
	send_hello_range(&raw, LINK_VERSION, LINK_VERSION + 1, "store");
	raw_frame(&raw, 0x82, STR("\x08\x4d\x10\x01")); /* kind 77 */
	const struct frame unknown = {
		.kind = PK__FRAME__KIND__REPLY, .id = 1, .error = E_LAST - 5, .text = STR("something new")};
	raw_message(&raw, &unknown);
	wait_for(loop, &answer.done);
	assert_int_equal(answer.error, E_INTERNAL);
	const struct frame reply = {.kind = PK__FRAME__KIND__REPLY, .id = 2};
	raw_message(&raw, &reply);
	wait_for(loop, &other.done);
	assert_int_equal(other.error, 0);
	assert_int_equal(front.downs, 0);
	forget(&answer, 1);
	forget(&other, 1);
	link_free(front.link);
	raw_done(&raw);
	loop_free(loop);
}

/* Credit for a call that is no stream is not sent: it would be the core's to complain of. */
static void no_stream_test(void **state)
{
	(void)state;
	struct core core;
	struct front front;
	struct answer answer = {0}, kept = {0};
	core_init(&core, NULL);
	front_init(&front, &core);
	struct link_call *call = ask(front.link, KEEP, "", LINK_ONCE, &kept);
	wait_until(core.loop, core.kept_count == 1);
	link_call_grant(call, 100000);
	ask(front.link, ECHO, "", LINK_ONCE, &answer);
	wait_for(core.loop, &answer.done);
	assert_int_equal(core.cancelled, 0);
	reply_text(core.kept[0], "here");
	wait_for(core.loop, &kept.done);
	assert_int_equal(kept.error, 0);
	forget(&answer, 1);
	forget(&kept, 1);
	link_free(front.link);
	core_done(&core);
}

int main(void)
{
	struct errinfo info;
	if (crypto_init(&info) != 0)
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(front_test),
		cmocka_unit_test(core_test),
		cmocka_unit_test(later_core_test),
		cmocka_unit_test(no_stream_test),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
