/* Both ends of the link in one process and one loop, over a socketpair or a Unix socket in a temporary
 * folder: requests, streams, uploads, credit, cancellation, refusals. */

#include "net/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "link_rig.h"

static void echo_test(void **state)
{
	(void)state;
	struct core core;
	struct front front;
	core_init(&core, NULL);
	front_init(&front, &core);
	struct answer answers[50] = {{0}};
	for (size_t i = 0; i < ARRAY_LEN(answers); i++)
		ask(front.link, ECHO, "hello", LINK_ONCE, &answers[i]);
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		wait_for(core.loop, &answers[i].done);
		assert_int_equal(answers[i].error, 0);
		Pk__Hello *hello = (Pk__Hello *)link_unpack(&pk__hello__descriptor,
		                                            buf_str(&answers[i].body), WIRE_ITEMS_FEW);
		assert_string_equal(hello->host, "hello");
		protobuf_c_message_free_unpacked(&hello->base, NULL);
		buf_done(&answers[i].body);
	}
	assert_int_equal(core.requests, 50);
	assert_true(link_connected(front.link));
	assert_int_equal(front.ups, 1);
	struct answer refused = {0};
	ask(front.link, REFUSE, "", LINK_ONCE, &refused);
	wait_for(core.loop, &refused.done);
	assert_int_equal(refused.error, E_NOT_FOUND);
	assert_string_equal(refused.text, "no such thing");
	buf_done(&refused.body);
	struct answer event = {0};
	ask(front.link, ASK, "", LINK_ONCE, &event);
	wait_for(core.loop, &event.done);
	assert_int_equal(front.events, 1);
	assert_int_equal(front.event_method, 99);
	buf_done(&event.body);
	link_free(front.link);
	wait_until(core.loop, core.peers_down == 1);
	core_done(&core);
}

static void stream_test(void **state)
{
	(void)state;
	struct core core;
	struct front front;
	core_init(&core, NULL);
	front_init(&front, &core);
	/* All at once, within the credit. */
	struct answer whole = {0};
	ask_stream(front.link, 100000, 200000, &whole);
	wait_for(core.loop, &whole.done);
	assert_int_equal(whole.error, 0);
	assert_int_equal(whole.streamed, 100000);
	assert_int_equal(whole.pieces, 10);
	assert_int_equal(core.credits, 0);
	/* Credit for 25,000: three pieces of 10,000, the last overdrawing; then nothing. */
	struct answer stuck = {0};
	struct link_call *call = ask_stream(front.link, 100000, 25000, &stuck);
	wait_until(core.loop, stuck.pieces == 3);
	for (int i = 0; i < 20; i++)
		loop_run_once(core.loop, 2);
	assert_int_equal(stuck.streamed, 30000);
	/* 5,000 pays what was overdrawn and no more; one byte more lets one piece through. */
	link_call_grant(call, 5000);
	for (int i = 0; i < 20; i++)
		loop_run_once(core.loop, 2);
	assert_int_equal(stuck.streamed, 30000);
	link_call_grant(call, 1);
	wait_until(core.loop, stuck.streamed == 40000);
	assert_int_equal(core.credits, 1);
	stuck.grant = true;
	link_call_grant(call, 20000);
	wait_for(core.loop, &stuck.done);
	assert_int_equal(stuck.streamed, 100000);
	/* Cancelled at the first piece. */
	struct answer cut = {.cancel_first = true};
	ask_stream(front.link, 1000000, 5000, &cut);
	wait_until(core.loop, core.cancelled == 1);
	assert_false(cut.done);
	assert_int_equal(cut.pieces, 1);
	buf_done(&whole.body);
	buf_done(&stuck.body);
	link_free(front.link);
	core_done(&core);
}

static void upload_test(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 1, LINK_UPLOAD_FIRST, LINK_UPLOAD_FIRST + 1, 300000, 5000000};
	struct core core;
	struct front front;
	core_init(&core, NULL);
	front_init(&front, &core);
	struct answer answers[ARRAY_LEN(sizes)] = {{0}};
	char *bytes = mem_new(5000000);
	memset(bytes, 1, 5000000);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		const struct link_request request = {
			.method = SUM,
			.kind = i % 2 == 0 ? LINK_ONCE : LINK_IDEMPOTENT,
			.upload = STR_OF(bytes, sizes[i]),
			.ctx = &answers[i],
			.reply = on_reply,
		};
		link_call(front.link, &request);
	}
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		char expected[64];
		wait_for(core.loop, &answers[i].done);
		snprintf(expected, sizeof(expected), "%zu %zu", sizes[i], sizes[i]);
		assert_true(str_eq(buf_str(&answers[i].body), str_from(expected)));
		buf_done(&answers[i].body);
	}
	free(bytes);
	link_free(front.link);
	core_done(&core);
}

static void deadline_test(void **state)
{
	(void)state;
	struct core core;
	struct front front;
	core_init(&core, NULL);
	front_init(&front, &core);
	struct answer late = {0};
	const struct link_request request = {
		.method = KEEP,
		.deadline_ms = 40,
		.ctx = &late,
		.reply = on_reply,
	};
	link_call(front.link, &request);
	wait_for(core.loop, &late.done);
	assert_int_equal(late.error, E_TIMEOUT);
	wait_until(core.loop, core.cancelled == 1);
	link_reply(core.kept[0], NULL); /* due, and goes nowhere */
	settle(core.loop);
	assert_true(link_connected(front.link));
	/* A stream that waits for our credit is not late. */
	struct answer slow = {0};
	Pk__Hello hello = PK__HELLO__INIT;
	uint64_t size = 30000;
	hello.instance.data = (uint8_t *)&size;
	hello.instance.len = sizeof(size);
	const struct link_request stream = {
		.method = COUNT,
		.body = &hello.base,
		.deadline_ms = 60,
		.credit = 5000,
		.ctx = &slow,
		.chunk = on_chunk,
		.reply = on_reply,
	};
	struct link_call *call = link_call(front.link, &stream);
	int64_t start = clock_monotonic_ms();
	while (clock_monotonic_ms() < start + 150)
		loop_run_once(core.loop, 20);
	assert_false(slow.done);
	assert_int_equal(slow.pieces, 1);
	link_call_grant(call, 100000);
	wait_for(core.loop, &slow.done);
	assert_int_equal(slow.error, 0);
	assert_int_equal(slow.streamed, 30000);
	/* link_call_wait tells the error and its text. */
	struct errinfo info = {0};
	const struct link_request refused = {.method = REFUSE};
	assert_int_equal(link_call_wait(front.link, core.loop, &refused, NULL, &info), E_NOT_FOUND);
	assert_string_equal(info.text, "no such thing");
	forget(&late, 1);
	forget(&slow, 1);
	link_free(front.link);
	core_done(&core);
}

static void cancel_test(void **state)
{
	(void)state;
	struct core core;
	struct front front;
	struct answer answers[4] = {{0}};
	core_init(&core, NULL);
	front_init(&front, &core);
	/* Before it was sent, after, and by the end of the link. */
	link_call_cancel(ask(front.link, KEEP, "", LINK_ONCE, &answers[0]));
	struct link_call *call = ask(front.link, KEEP, "", LINK_ONCE, &answers[1]);
	ask(front.link, KEEP, "", LINK_ONCE, &answers[2]);
	ask(front.link, KEEP, "", LINK_REPEAT, &answers[3]);
	wait_until(core.loop, core.kept_count == 3);
	link_call_cancel(call);
	wait_until(core.loop, core.cancelled == 1);
	assert_non_null(link_inbound_peer(core.kept[0]));
	link_free(front.link);
	assert_true(answers[2].done && answers[3].done);
	assert_int_equal(answers[2].error, E_CANCELLED);
	wait_until(core.loop, core.peers_down == 1);
	/* The one with a repeat id goes on. */
	assert_int_equal(core.cancelled, 2);
	for (size_t i = 0; i < core.kept_count; i++) {
		assert_null(link_inbound_peer(core.kept[i]));
		struct buf piece;
		buf_init(&piece, 100);
		buf_add_text(&piece, "to nobody");
		assert_true(link_chunk(core.kept[i], &piece));
		reply_text(core.kept[i], "to nobody");
	}
	assert_false(answers[0].done || answers[1].done);
	forget(answers, 4);
	core_done(&core);
}

/* What the core holds of uploads is bounded over all of them; who has to wait is served in turn. */
static void budget_test(void **state)
{
	(void)state;
	const struct link_server_options options = {
		.role = "store",
		.allowed = allowed,
		.allowed_count = 2,
		.limits.upload_total_max = 300000,
		.limits.upload_max = 250000,
	};
	struct core core;
	struct front front;
	core_init(&core, &options);
	front_init(&front, &core);
	char *bytes = mem_new(1000000);
	struct answer answers[4] = {{0}};
	ask_upload(front.link, KEEP, STR_OF(bytes, 250000), LINK_ONCE, &answers[0]);
	ask_upload(front.link, KEEP, STR_OF(bytes, 250000), LINK_ONCE, &answers[1]);
	ask_upload(front.link, KEEP, STR_OF(bytes, 200000), LINK_ONCE, &answers[2]);
	ask_upload(front.link, KEEP, STR_OF(bytes, 250001), LINK_ONCE, &answers[3]);
	wait_for(core.loop, &answers[3].done);
	assert_int_equal(answers[3].error, E_TOO_LARGE);
	wait_until(core.loop, core.kept_count == 1);
	settle(core.loop);
	assert_int_equal(core.kept_count, 1);
	assert_int_equal(link_inbound_upload(core.kept[0]).len, 250000);
	for (size_t i = 0; i < 3; i++) {
		wait_until(core.loop, core.kept_count == i + 1);
		reply_text(core.kept[i], "done");
		wait_for(core.loop, &answers[i].done);
		assert_int_equal(answers[i].error, 0);
	}
	/* One that waits and is cancelled makes room for the next. */
	struct answer more[3] = {{0}};
	ask_upload(front.link, KEEP, STR_OF(bytes, 250000), LINK_ONCE, &more[0]);
	wait_until(core.loop, core.kept_count == 4);
	struct link_call *waits = ask_upload(front.link, KEEP, STR_OF(bytes, 250000), LINK_ONCE,
	                                     &more[1]);
	ask_upload(front.link, KEEP, STR_OF(bytes, 100000), LINK_ONCE, &more[2]);
	settle(core.loop);
	link_call_cancel(waits);
	settle(core.loop);
	assert_int_equal(core.kept_count, 4);
	reply_text(core.kept[3], "done");
	wait_until(core.loop, core.kept_count == 5);
	assert_int_equal(link_inbound_upload(core.kept[4]).len, 100000);
	reply_text(core.kept[4], "done");
	wait_for(core.loop, &more[2].done);
	/* A request that no frame can hold. */
	struct answer huge = {0};
	char *host = mem_new(LINK_MESSAGE_MAX + 1);
	memset(host, 'h', LINK_MESSAGE_MAX);
	ask(front.link, ECHO, host, LINK_ONCE, &huge);
	assert_false(huge.done);
	wait_for(core.loop, &huge.done);
	assert_int_equal(huge.error, E_TOO_LARGE);
	free(host);
	free(bytes);
	forget(&huge, 1);
	forget(answers, 4);
	forget(more, 3);
	link_free(front.link);
	core_done(&core);
}

/* A core that streams past its credit is held back by its own end of the link. */
static void patience_test(void **state)
{
	(void)state;
	struct core core;
	struct front front;
	core_init(&core, NULL);
	front_init(&front, &core);
	struct answer answer = {0};
	const struct link_request request = {
		.method = KEEP,
		.credit = 10,
		.ctx = &answer,
		.chunk = on_chunk,
		.reply = on_reply,
	};
	struct link_call *call = link_call(front.link, &request);
	wait_until(core.loop, core.kept_count == 1);
	for (int i = 0; i < 5; i++) {
		struct buf piece;
		buf_init(&piece, 100);
		buf_add_text(&piece, "0123456789");
		assert_int_equal(link_chunk(core.kept[0], &piece), false);
	}
	reply_text(core.kept[0], "end");
	settle(core.loop);
	assert_int_equal(answer.pieces, 1);
	assert_false(answer.done);
	link_call_grant(call, 20);
	settle(core.loop);
	assert_int_equal(answer.pieces, 3);
	link_call_grant(call, 20);
	wait_for(core.loop, &answer.done);
	assert_int_equal(answer.pieces, 5);
	assert_true(str_eq(buf_str(&answer.body), STR("end")));
	forget(&answer, 1);
	link_free(front.link);
	core_done(&core);
}

/* Replies and the link's end from inside the callbacks. */
struct nest {
	struct link *link;
	struct answer answer;
	bool freed;
};

static void free_in_reply(void *ctx, int error, struct str text, struct str body)
{
	struct nest *nest = ctx;
	(void)text;
	(void)body;
	assert_int_equal(error, 0);
	ask(nest->link, ECHO, "", LINK_ONCE, &nest->answer);
	link_free(nest->link);
	nest->freed = true;
}

static void free_in_chunk(void *ctx, struct link_call *call, struct str body)
{
	struct nest *nest = ctx;
	(void)call;
	(void)body;
	if (!nest->freed)
		link_free(nest->link);
	nest->freed = true;
}

static void reply_after_free(void *ctx, int error, struct str text, struct str body)
{
	struct nest *nest = ctx;
	(void)text;
	(void)body;
	nest->answer.done = true;
	nest->answer.error = error;
}

static void nesting_test(void **state)
{
	(void)state;
	struct core core;
	struct front front;
	core_init(&core, NULL);
	front_init(&front, &core);
	struct nest nest = {.link = front.link};
	struct link_request request = {.method = ECHO, .ctx = &nest, .reply = free_in_reply};
	link_call(front.link, &request);
	wait_for(core.loop, &nest.freed);
	assert_int_equal(nest.answer.error, E_CANCELLED);
	forget(&nest.answer, 1);
	front_init(&front, &core);
	nest = (struct nest){.link = front.link};
	Pk__Hello hello = PK__HELLO__INIT;
	uint64_t size = 500000;
	hello.instance.data = (uint8_t *)&size;
	hello.instance.len = sizeof(size);
	request = (struct link_request){
		.method = COUNT,
		.body = &hello.base,
		.credit = 1000000,
		.ctx = &nest,
		.chunk = free_in_chunk,
		.reply = reply_after_free,
	};
	link_call(front.link, &request);
	wait_for(core.loop, &nest.freed);
	assert_int_equal(nest.answer.error, E_CANCELLED);
	wait_until(core.loop, core.peers_down == 2);
	core_done(&core);
}

int main(void)
{
	struct errinfo info;
	if (crypto_init(&info) != 0)
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(echo_test),     cmocka_unit_test(stream_test),
		cmocka_unit_test(upload_test),   cmocka_unit_test(deadline_test),
		cmocka_unit_test(cancel_test),   cmocka_unit_test(budget_test),
		cmocka_unit_test(patience_test), cmocka_unit_test(nesting_test),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
