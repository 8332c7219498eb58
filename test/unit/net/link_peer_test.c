/* Peers of the link that break its rules, played byte by byte over a socketpair: each is closed with the
 * right code, costs no memory, and harms no other peer. */

#include "net/link.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "link_raw.h"

/* ---------------------------------------------------------------- fronts that break the rules */

static void send_garbage(struct raw *raw)
{
	char bytes[3000];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 31 + 7);
	raw_send(raw, STR_OF(bytes, sizeof(bytes)));
}

static void send_unmasked(struct raw *raw)
{
	raw_send(raw, STR("\x82\x02\x08\x02"));
}

static void send_text_frame(struct raw *raw)
{
	raw_frame(raw, 0x81, STR("hello"));
}

static void send_reserved(struct raw *raw)
{
	raw_frame(raw, 0xc2, STR("\x08\x02"));
}

static void send_unknown_opcode(struct raw *raw)
{
	raw_frame(raw, 0x83, STR("\x08\x02"));
}

static void send_cut_ping(struct raw *raw)
{
	raw_frame(raw, 0x09, STR("x"));
}

static void send_continuation(struct raw *raw)
{
	raw_frame(raw, 0x80, STR("x"));
}

static void send_two_begins(struct raw *raw)
{
	raw_frame(raw, 0x02, STR("x"));
	raw_frame(raw, 0x82, STR("x"));
}

static void send_huge(struct raw *raw)
{
	struct buf out BUF_AUTO;
	buf_init(&out, 100);
	put_frame_head(&out, raw, 0x82, (uint64_t)1 << 62);
	buf_add_byte(&out, 'x');
	raw_send(raw, buf_str(&out));
}

static void send_just_too_large(struct raw *raw)
{
	struct buf out BUF_AUTO;
	buf_init(&out, 100);
	put_frame_head(&out, raw, 0x82, LINK_MESSAGE_MAX + 1);
	buf_add_byte(&out, 'x');
	raw_send(raw, buf_str(&out));
}

static void send_large_in_fragments(struct raw *raw)
{
	struct buf out BUF_AUTO;
	raw_frame(raw, 0x02, STR("0123456789"));
	buf_init(&out, 100);
	put_frame_head(&out, raw, 0x80, LINK_MESSAGE_MAX - 9);
	buf_add_byte(&out, 'x');
	raw_send(raw, buf_str(&out));
}

static void send_no_frame(struct raw *raw)
{
	raw_frame(raw, 0x82, STR("\xff\xff"));
}

static void send_empty(struct raw *raw)
{
	raw_frame(raw, 0x82, STR(""));
}

static void send_kind(struct raw *raw, Pk__Frame__Kind kind, uint64_t id)
{
	const struct frame frame = {.kind = kind, .id = id, .method = KEEP};
	raw_message(raw, &frame);
}

static void send_second_hello(struct raw *raw)
{
	send_hello(raw, LINK_VERSION, "imap");
}

static void send_grant(struct raw *raw)
{
	send_kind(raw, PK__FRAME__KIND__GRANT, 1);
}

static void send_event(struct raw *raw)
{
	send_kind(raw, PK__FRAME__KIND__EVENT, 0);
}

static void send_id_zero(struct raw *raw)
{
	send_kind(raw, PK__FRAME__KIND__REQUEST, 0);
}

static void send_id_again(struct raw *raw)
{
	send_kind(raw, PK__FRAME__KIND__REQUEST, 9);
	send_kind(raw, PK__FRAME__KIND__REQUEST, 9);
}

static void send_unknown_id(struct raw *raw)
{
	send_kind(raw, PK__FRAME__KIND__CANCEL, 3);
}

static void send_wrong_version(struct raw *raw)
{
	send_hello(raw, LINK_VERSION + 1, "imap");
}

static void send_wrong_role(struct raw *raw)
{
	send_hello(raw, LINK_VERSION, "store");
}

static void send_request_first(struct raw *raw)
{
	send_kind(raw, PK__FRAME__KIND__REQUEST, 1);
}

/* What a later version says and we do not know: kind 77, field 200. */
static void send_unknown_kind(struct raw *raw)
{
	raw_frame(raw, 0x82, STR("\x08\x4d\xc2\x0c\x03new"));
}

static const struct violation {
	void (*send)(struct raw *raw);
	bool greeted; /* after our hello */
	int code;     /* of the close frame */
} violations[] = {
	{send_garbage, false, 1002},
	{send_garbage, true, 1002},
	{send_unmasked, true, 1002},
	{send_text_frame, true, 1003},
	{send_reserved, true, 1002},
	{send_unknown_opcode, true, 1003},
	{send_cut_ping, true, 1002},
	{send_continuation, true, 1002},
	{send_two_begins, true, 1002},
	{send_huge, false, 1009},
	{send_huge, true, 1009},
	{send_just_too_large, true, 1009},
	{send_large_in_fragments, true, 1009},
	{send_no_frame, true, 1008},
	{send_empty, true, 1008},
	{send_second_hello, true, 1008},
	{send_grant, true, 1008},
	{send_event, true, 1008},
	{send_id_zero, true, 1008},
	{send_id_again, true, 1008},
	{send_unknown_id, true, 1008},
	{send_wrong_version, false, 1008},
	{send_wrong_role, false, 1008},
	{send_request_first, false, 1008},
	{send_unknown_kind, false, 1008},
};

static void drop_kept(struct core *core)
{
	for (size_t i = 0; i < core->kept_count; i++)
		link_reply_error(core->kept[i], E_CANCELLED, "gone");
	core->kept_count = 0;
}

static void violation_test(void **state)
{
	(void)state;
	struct core core;
	struct front front;
	core_init(&core, NULL);
	front_init(&front, &core);
	for (size_t i = 0; i < ARRAY_LEN(violations); i++) {
		struct raw raw;
		struct answer answer = {0};
		raw_client(&raw, &core);
		if (violations[i].greeted) {
			int before = core.peers_up;
			send_hello(&raw, LINK_VERSION, "imap");
			wait_until(core.loop, core.peers_up == before + 1);
		}
		violations[i].send(&raw);
		wait_end(core.loop, &raw);
		if (close_code(&raw) != violations[i].code)
			print_error("violation %zu: %d\n", i, close_code(&raw));
		assert_int_equal(close_code(&raw), violations[i].code);
		drop_kept(&core);
		raw_done(&raw);
		/* The honest one beside it notices nothing. */
		ask(front.link, ECHO, "still here", LINK_ONCE, &answer);
		wait_for(core.loop, &answer.done);
		assert_int_equal(answer.error, 0);
		forget(&answer, 1);
	}
	assert_int_equal(front.downs, 0);
	link_free(front.link);
	core_done(&core);
}

static void other_versions_test(void **state)
{
	(void)state;
	static const struct {
		uint32_t oldest, newest;
		bool taken;
	} cases[] = {
		{LINK_VERSION_MIN, LINK_VERSION, true},
		{LINK_VERSION, LINK_VERSION + 5, true},
		{LINK_VERSION + 1, LINK_VERSION + 5, false},
		{0, LINK_VERSION + 1, false},
		{0, LINK_VERSION_MIN - 1, false},
		{LINK_VERSION + 1, LINK_VERSION, false},
	};
	struct core core;
	core_init(&core, NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct raw raw;
		int before = core.peers_up;
		raw_client(&raw, &core);
		send_hello_range(&raw, cases[i].oldest, cases[i].newest, "imap");
		if (cases[i].taken) {
			send_unknown_kind(&raw);
			send_kind(&raw, PK__FRAME__KIND__REQUEST, 1);
			wait_until(core.loop, core.kept_count == 1);
			assert_int_equal(core.peers_up, before + 1);
			drop_kept(&core);
		} else {
			wait_end(core.loop, &raw);
			assert_int_equal(close_code(&raw), 1008);
			assert_int_equal(core.peers_up, before);
		}
		raw_done(&raw);
	}
	core_done(&core);
}

/* The sanitizer's own count where there is one: mallinfo2 says nothing then. */
extern size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t allocated(void)
{
	if (__sanitizer_get_current_allocated_bytes != NULL)
		return __sanitizer_get_current_allocated_bytes();
	struct mallinfo2 info = mallinfo2();
	return info.uordblks + info.hblkhd;
}

/* What is announced and not sent costs nothing. */
static void allocation_test(void **state)
{
	(void)state;
	struct core core;
	struct raw raw[20];
	core_init(&core, NULL);
	for (size_t i = 0; i < ARRAY_LEN(raw); i++)
		raw_client(&raw[i], &core);
	size_t before = allocated(), most = 0;
	for (size_t i = 0; i < ARRAY_LEN(raw); i++) {
		send_just_too_large(&raw[i]);
		loop_run_once(core.loop, 0);
		if (allocated() > most)
			most = allocated();
	}
	assert_true(most < before + LINK_MESSAGE_MAX / 8);
	for (size_t i = 0; i < ARRAY_LEN(raw); i++) {
		wait_end(core.loop, &raw[i]);
		raw_done(&raw[i]);
	}
	core_done(&core);
}

static void handshake_test(void **state)
{
	(void)state;
	static const char *const openings[] = {
		"GET / HTTP/1.1\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01",
		"GET /link HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /link HTTP/1.1\r\nHost: x\r\nbad\r\n\r\n",
	};
	struct core core;
	core_init(&core, NULL);
	for (size_t i = 0; i < ARRAY_LEN(openings); i++) {
		int fds[2];
		struct raw raw;
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		link_server_add_fd(core.server, fds[0], NULL);
		raw_init(&raw, fds[1], true);
		raw_send(&raw, str_from(openings[i]));
		wait_end(core.loop, &raw);
		assert_true(str_starts(buf_str(&raw.in), STR("HTTP/1.1 4")));
		raw_done(&raw);
	}
	assert_int_equal(core.peers_up, 0);
	core_done(&core);
}

/* Ping is answered, also between fragments; fragments make one message; close is answered. */
static void control_test(void **state)
{
	(void)state;
	struct core core;
	struct raw raw;
	core_init(&core, NULL);
	raw_client(&raw, &core);
	struct buf hello BUF_AUTO;
	buf_init(&hello, 1000);
	Pk__Hello body = PK__HELLO__INIT;
	struct buf packed BUF_AUTO;
	buf_init(&packed, 1000);
	body.version = LINK_VERSION;
	body.role = (char *)"imap";
	body.instance.data = (uint8_t *)"0123456789abcdef";
	body.instance.len = 16;
	link_pack(&packed, &body.base);
	const struct frame frame = {.kind = PK__FRAME__KIND__HELLO, .body = buf_str(&packed)};
	frame_put_head(&hello, &frame);
	buf_add_str(&hello, frame.body);
	raw_frame(&raw, 0x02, str_slice(buf_str(&hello), 0, 5));
	raw_frame(&raw, 0x89, STR("are you there"));
	raw_frame(&raw, 0x00, str_slice(buf_str(&hello), 5, 1));
	raw_frame(&raw, 0x00, STR(""));
	raw_frame(&raw, 0x80, str_from_byte(buf_str(&hello), 6));
	wait_until(core.loop, core.peers_up == 1);
	wait_until(core.loop, raw_read(&raw) && raw.in.len > 15);
	assert_memory_equal(raw.in.ptr,
	                    "\x8a\x0d"
	                    "are you there",
	                    15);
	settle(core.loop);
	assert_true(raw_read(&raw));
	buf_clear(&raw.in); /* the core's hello, which is the answer to ours */
	raw_frame(&raw, 0x88, STR("\x03\xe8"));
	wait_end(core.loop, &raw);
	assert_int_equal(close_code(&raw) == -1 ? 0 : raw.in.ptr[0] & 0xff, 0x88);
	wait_until(core.loop, core.peers_down == 1);
	raw_done(&raw);
	core_done(&core);
}

/* Who runs as another user than the list says is closed before a byte is read. */
static void user_test(void **state)
{
	(void)state;
	struct link_allowed others[] = {{"imap", getuid() + 1}, {"smtp", getuid()}};
	struct link_server_options options = {.role = "store", .allowed = others, .allowed_count = 1};
	struct core core;
	struct raw raw;
	int fds[2];
	core_init(&core, &options);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	link_server_add_fd(core.server, fds[0], NULL);
	raw_init(&raw, fds[1], true);
	assert_false(raw_read(&raw));
	raw_done(&raw);
	core_done(&core);
	/* Our user may connect, but as smtp, not as imap. */
	options.allowed_count = 2;
	core_init(&core, &options);
	raw_client(&raw, &core);
	send_hello(&raw, LINK_VERSION, "imap");
	wait_end(core.loop, &raw);
	assert_int_equal(core.peers_up, 0);
	raw_done(&raw);
	core_done(&core);
}

/* ---------------------------------------------------------------- cores that break the rules */

static void core_hello(struct raw *raw)
{
	send_hello(raw, LINK_VERSION, "store");
}

static void core_unknown_id(struct raw *raw)
{
	core_hello(raw);
	const struct frame reply = {.kind = PK__FRAME__KIND__REPLY, .id = 77};
	raw_message(raw, &reply);
}

static void core_request(struct raw *raw)
{
	core_hello(raw);
	const struct frame request = {.kind = PK__FRAME__KIND__REQUEST, .id = 1};
	raw_message(raw, &request);
}

static void core_masked(struct raw *raw)
{
	core_hello(raw);
	raw->masked = true;
	core_hello(raw);
	raw->masked = false;
}

static void core_reply_first(struct raw *raw)
{
	const struct frame reply = {.kind = PK__FRAME__KIND__REPLY, .id = 1};
	raw_message(raw, &reply);
}

static void core_test(void **state)
{
	(void)state;
	static void (*const cases[])(struct raw *) = {
		core_unknown_id,
		core_request,
		core_masked,
		core_reply_first,
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct loop *loop = loop_new();
		struct front front;
		struct raw raw;
		struct answer answer = {0};
		raw_core_begin(&raw, loop, &front);
		struct link_request request = {
			.method = KEEP,
			.credit = 10,
			.ctx = &answer,
			.chunk = on_chunk,
			.reply = on_reply,
		};
		link_call(front.link, &request);
		raw_core_open(&raw, loop);
		cases[i](&raw);
		wait_for(loop, &answer.done);
		assert_int_equal(answer.error, E_UNAVAILABLE);
		wait_end(loop, &raw);
		assert_true(close_code(&raw) == 1008 || close_code(&raw) == 1002);
		assert_false(link_connected(front.link));
		/* Calls from now on end too, from the loop. */
		struct answer late = {0};
		ask(front.link, ECHO, "", LINK_IDEMPOTENT, &late);
		assert_false(late.done);
		wait_for(loop, &late.done);
		assert_int_equal(late.error, E_UNAVAILABLE);
		forget(&answer, 1);
		forget(&late, 1);
		link_free(front.link);
		raw_done(&raw);
		loop_free(loop);
	}
}

int main(void)
{
	struct errinfo info;
	if (crypto_init(&info) != 0)
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(violation_test),  cmocka_unit_test(other_versions_test),
		cmocka_unit_test(allocation_test), cmocka_unit_test(handshake_test),
		cmocka_unit_test(control_test),    cmocka_unit_test(user_test),
		cmocka_unit_test(core_test),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
