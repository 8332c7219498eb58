/*
 * A conversation of the first release, replayed for ever: today's core takes what that front said and
 * answers as that core did, today's front the other way round. Nothing here is changed when the protocol
 * grows. What the bodies hold is test/wire.py's.
 */

#include "net/link.h"

#include <sodium.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "link_raw.h"

enum { FRAME_MAX = 70000 };

struct line {
	enum { FRONT, CORE } who;
	const char *what;
	const char *hex; /* one pk.Frame */
	size_t bulk;     /* so many times "u" end it */
};

/* clang-format off */
static const struct line conversation[] = {
	{FRONT, "HELLO",
	     "08017a3008011204696d61701a1030313233343536373839616263646566221266726f6e"
	     "742e6578616d706c652e746573742801", 0},
	{CORE, "HELLO",
	     "08017a300801120573746f72651a10666564636261393837363534333231302211636f72"
	     "652e6578616d706c652e746573742801", 0},
	{FRONT, "REQUEST 1: the body comes back",
	     "0802100118017a0c220a61207175657374696f6e", 0},
	{CORE, "REPLY 1",
	     "080710017a0c220a61207175657374696f6e", 0},
	{FRONT, "REQUEST 2: a stream of 5 bytes, credit 3",
	     "08021002180228037a0a1a080500000000000000", 0},
	{CORE, "CHUNK 2",
	     "080510027a027878", 0},
	{CORE, "CHUNK 2, overdrawn by a byte",
	     "080510027a027878", 0},
	{FRONT, "CREDIT 2",
	     "080610022802", 0},
	{FRONT, "CREDIT 2",
	     "080610022802", 0},
	{CORE, "CHUNK 2",
	     "080510027a0178", 0},
	{CORE, "REPLY 2",
	     "08071002", 0},
	{FRONT, "CREDIT 2: too late",
	     "080610022801", 0},
	{FRONT, "REQUEST 3: an upload of 70,000 bytes",
	     "08021003180330f0a204", 0},
	{FRONT, "DATA 3, what needs no grant",
	     "080310037a808004", 65536},
	{CORE, "GRANT 3",
	     "0804100328f022", 0},
	{FRONT, "DATA 3",
	     "080310037af022", 4464},
	{CORE, "REPLY 3",
	     "080710037a0d37303030302038313930303030", 0},
	{FRONT, "REQUEST 4: refused",
	     "0802100418047a03220178", 0},
	{CORE, "REPLY 4: E_NOT_FOUND",
	     "080710043807420d6e6f2073756368207468696e67", 0},
	{FRONT, "REQUEST 5: an event comes first",
	     "0802100518067a03220178", 0},
	{CORE, "EVENT 99",
	     "080918637a020807", 0},
	{CORE, "REPLY 5",
	     "080710057a020807", 0},
	{FRONT, "REQUEST 6: with a repeat id, its body secret",
	     "08021006180122104142434445464748494a4b4c4d4e4f5048017a0c220a612071756573"
	     "74696f6e", 0},
	{CORE, "REPLY 6",
	     "0807100648017a0c220a61207175657374696f6e", 0},
	{FRONT, "REQUEST 7: never answered",
	     "0802100718057a03220178", 0},
	{FRONT, "CANCEL 7",
	     "08081007", 0},
};
/* clang-format on */

/* The frame of a line; it borrows from bytes. */
static struct frame frame_of(const struct line *line, struct buf *bytes)
{
	size_t len = strlen(line->hex) / 2;
	struct frame frame;
	buf_init(bytes, FRAME_MAX);
	char *to = buf_reserve(bytes, len + line->bulk);
	assert_non_null(to);
	assert_int_equal(sodium_hex2bin((unsigned char *)to, len, line->hex, 2 * len, NULL, NULL, NULL),
	                 0);
	memset(to + len, 'u', line->bulk);
	bytes->len += len + line->bulk;
	assert_int_equal(frame_parse(&frame, buf_str(bytes), NULL), 0);
	return frame;
}

static void say(struct raw *raw, const struct line *line)
{
	struct buf bytes BUF_AUTO;
	(void)frame_of(line, &bytes);
	raw_frame(raw, 0x82, buf_str(&bytes));
}

/* Which versions are spoken may change, as long as the first is among them; host and instance differ. */
static void assert_hello(struct str body, struct str recorded)
{
	Pk__Hello *hello = (Pk__Hello *)link_unpack(&pk__hello__descriptor, body, WIRE_ITEMS_FEW);
	Pk__Hello *old = (Pk__Hello *)link_unpack(&pk__hello__descriptor, recorded, WIRE_ITEMS_FEW);
	assert_non_null(hello);
	assert_non_null(old);
	assert_in_range(old->version, hello->version_min, hello->version);
	assert_string_equal(hello->role, old->role);
	assert_int_equal(hello->instance.len, old->instance.len);
	pk__hello__free_unpacked(hello, NULL);
	pk__hello__free_unpacked(old, NULL);
}

/* The next frame of the other end is that of line. */
static void expect(struct raw *raw, struct loop *loop, const struct line *line)
{
	struct buf bytes BUF_AUTO, message BUF_AUTO;
	struct frame recorded = frame_of(line, &bytes), frame;
	buf_init(&message, FRAME_MAX);
	wait_until(loop, raw_next(raw, &message, &frame));
	if (frame.kind != recorded.kind || frame.id != recorded.id)
		fail_msg("kind %d, id %llu where %s was", (int)frame.kind, (unsigned long long)frame.id,
		         line->what);
	assert_int_equal(frame.method, recorded.method);
	assert_int_equal(frame.credit, recorded.credit);
	assert_int_equal(frame.upload_size, recorded.upload_size);
	assert_int_equal(frame.error, recorded.error);
	assert_int_equal(frame.secret, recorded.secret);
	assert_int_equal(frame.repeat_id.len, recorded.repeat_id.len); /* random */
	assert_true(str_eq(frame.text, recorded.text));
	if (frame.kind == PK__FRAME__KIND__HELLO)
		assert_hello(frame.body, recorded.body);
	else
		assert_true(str_eq(frame.body, recorded.body));
}

static void core_test(void **state)
{
	(void)state;
	struct core core;
	struct raw raw;
	core_init(&core, NULL);
	core.piece_size = 2;
	raw_client(&raw, &core);
	for (size_t i = 0; i < ARRAY_LEN(conversation); i++)
		if (conversation[i].who == FRONT)
			say(&raw, &conversation[i]);
		else
			expect(&raw, core.loop, &conversation[i]);
	wait_until(core.loop, core.cancelled == 1);
	assert_int_equal(core.kept_count, 1);
	link_reply_error(core.kept[0], E_CANCELLED, "gone");
	raw_done(&raw);
	core_done(&core);
}

/* What the front was asked for when it sent the request with that id. */
static struct link_call *call(struct link *link, uint64_t id, struct answer *answer)
{
	static char upload[70000];
	switch (id) {
	case 1:
		return ask(link, ECHO, "a question", LINK_ONCE, answer);
	case 2:
		answer->grant = true;
		return ask_stream(link, 5, 3, answer);
	case 3:
		memset(upload, 'u', sizeof(upload));
		return ask_upload(link, SUM, STR_OF(upload, sizeof(upload)), LINK_ONCE, answer);
	case 4:
		return ask(link, REFUSE, "x", LINK_IDEMPOTENT, answer);
	case 5:
		return ask(link, ASK, "x", LINK_ONCE, answer);
	case 6:
		return ask_with(link, ECHO, "a question", LINK_REPEAT, true, answer);
	default:
		return ask(link, KEEP, "x", LINK_ONCE, answer);
	}
}

static void front_test(void **state)
{
	(void)state;
	enum { CALLS = 7 };
	struct loop *loop = loop_new();
	struct front front;
	struct raw raw;
	struct answer answers[CALLS] = {0};
	struct link_call *last = NULL;
	raw_core_begin(&raw, loop, &front);
	raw_core_open(&raw, loop);
	for (size_t i = 0; i < ARRAY_LEN(conversation); i++) {
		struct buf bytes BUF_AUTO;
		struct frame frame = frame_of(&conversation[i], &bytes);
		if (conversation[i].who == CORE) {
			say(&raw, &conversation[i]);
			continue;
		}
		if (frame.kind == PK__FRAME__KIND__REQUEST)
			last = call(front.link, frame.id, &answers[frame.id - 1]);
		else if (frame.kind == PK__FRAME__KIND__CANCEL)
			link_call_cancel(last);
		expect(&raw, loop, &conversation[i]);
	}
	for (size_t i = 0; i < CALLS; i++)
		assert_int_equal(answers[i].done, i + 1 < CALLS); /* the last one was cancelled */
	assert_true(str_eq(buf_str(&answers[2].body), STR("70000 8190000")));
	assert_int_equal(answers[1].streamed, 5);
	assert_int_equal(answers[3].error, E_NOT_FOUND);
	assert_string_equal(answers[3].text, "no such thing");
	assert_int_equal(front.events, 1);
	assert_int_equal(front.event_method, 99);
	assert_true(str_eq(buf_str(&answers[5].body), buf_str(&answers[0].body)));
	forget(answers, CALLS);
	link_free(front.link);
	loop_run_once(loop, 0);
	raw_done(&raw);
	loop_free(loop);
}

static int set_up(void **state)
{
	struct errinfo info;
	(void)state;
	return crypto_init(&info);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(core_test),
		cmocka_unit_test(front_test),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
