/* pk.Frame by hand against protobuf-c, in both directions; then what must be refused. */

#include "net/frame.h"

#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"

enum { ROUNDS = 2000 };

static uint64_t number(void)
{
	uint64_t n = (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
	return rand() % 4 == 0 ? 0 : n >> rand() % 64;
}

static struct frame random_frame(char *bytes)
{
	struct frame frame = {
		.kind = (Pk__Frame__Kind)(1 + rand() % PK__FRAME__KIND__EVENT),
		.id = number(),
		.method = (uint32_t)number(),
		.credit = number(),
		.upload_size = number(),
		.error = (int32_t)number(),
		.secret = rand() % 2 == 0,
	};
	for (int i = 0; i < FRAME_TEXT_MAX; i++)
		bytes[i] = (char)('a' + rand() % 26);
	if (rand() % 2 == 0)
		frame.repeat_id = STR_OF(bytes + rand() % 20, FRAME_REPEAT_ID_SIZE);
	frame.text = STR_OF(bytes, (size_t)rand() % FRAME_TEXT_MAX);
	frame.body = STR_OF(bytes + 5, (size_t)rand() % 1000);
	return frame;
}

static void put_whole(struct buf *out, const struct frame *frame)
{
	frame_put_head(out, frame);
	assert_true(out->len <= FRAME_HEAD_MAX);
	buf_add_str(out, frame->body);
	assert_false(out->failed);
}

static void assert_bytes(struct str ours, const void *theirs, size_t len)
{
	assert_true(str_eq(ours, STR_OF(theirs, len)));
}

static void ours_to_theirs_test(void **state)
{
	(void)state;
	char bytes[2048];
	srand(1);
	for (int i = 0; i < ROUNDS; i++) {
		struct buf wire BUF_AUTO;
		struct frame frame = random_frame(bytes);
		buf_init(&wire, 8192);
		put_whole(&wire, &frame);
		Pk__Frame *theirs = pk__frame__unpack(NULL, wire.len, (const uint8_t *)wire.ptr);
		assert_non_null(theirs);
		assert_int_equal(theirs->kind, frame.kind);
		assert_true(theirs->id == frame.id && theirs->credit == frame.credit);
		assert_true(theirs->upload_size == frame.upload_size);
		assert_int_equal(theirs->method, frame.method);
		assert_int_equal(theirs->error, frame.error);
		assert_int_equal(theirs->secret, frame.secret);
		assert_bytes(frame.repeat_id, theirs->repeat_id.data, theirs->repeat_id.len);
		assert_bytes(frame.text, theirs->text, strlen(theirs->text));
		assert_bytes(frame.body, theirs->body.data, theirs->body.len);
		/* And the same bytes that they would write. */
		uint8_t *again = mem_new(pk__frame__get_packed_size(theirs));
		assert_bytes(buf_str(&wire), again, pk__frame__pack(theirs, again));
		free(again);
		pk__frame__free_unpacked(theirs, NULL);
	}
}

static void theirs_to_ours_test(void **state)
{
	(void)state;
	char bytes[2048];
	srand(2);
	for (int i = 0; i < ROUNDS; i++) {
		struct frame frame = random_frame(bytes);
		char *text = str_dup(frame.text);
		Pk__Frame theirs = PK__FRAME__INIT;
		theirs.kind = frame.kind;
		theirs.id = frame.id;
		theirs.method = frame.method;
		theirs.credit = frame.credit;
		theirs.upload_size = frame.upload_size;
		theirs.error = frame.error;
		theirs.text = text;
		theirs.repeat_id.data = (uint8_t *)frame.repeat_id.ptr;
		theirs.repeat_id.len = frame.repeat_id.len;
		theirs.body.data = (uint8_t *)frame.body.ptr;
		theirs.body.len = frame.body.len;
		uint8_t *wire = mem_new(pk__frame__get_packed_size(&theirs));
		size_t len = pk__frame__pack(&theirs, wire);
		struct frame ours;
		assert_int_equal(frame_parse(&ours, STR_OF(wire, len), NULL), 0);
		assert_int_equal(ours.kind, frame.kind);
		assert_true(ours.id == frame.id && ours.credit == frame.credit);
		assert_true(ours.upload_size == frame.upload_size && ours.method == frame.method);
		assert_int_equal(ours.error, frame.error);
		assert_true(str_eq(ours.repeat_id, frame.repeat_id) && str_eq(ours.text, frame.text) &&
		            str_eq(ours.body, frame.body));
		/* Cut anywhere it is refused, or (between two fields) a shorter frame; never read past. */
		size_t cut = (size_t)rand() % len;
		char *exact = mem_copy_string((char *)wire, cut);
		char *shrunk = mem_new(cut);
		memcpy(shrunk, exact, cut);
		int error = frame_parse(&ours, STR_OF(shrunk, cut), NULL);
		assert_true(error == 0 || error == E_INVALID);
		free(exact);
		free(shrunk);
		free(wire);
		free(text);
	}
}

static void refused_test(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t len;
		int error;
	} cases[] = {
#define CASE(text_, error_) {text_, sizeof(text_) - 1, error_}
		CASE("\x08\x02", 0),
		CASE("\x08\x02\x10\x07", 0),
		CASE("\x08\x02\xf8\x07\x05", 0), /* an unknown number */
		CASE("\x08\x02\xfa\x07\x03"
	         "abc",
	         0), /* unknown bytes */
		CASE("\x08\x02\xf9\x07"
	         "12345678",
	         0), /* unknown fixed64 */
		CASE("\x08\x02\xfd\x07"
	         "1234",
	         0),                     /* unknown fixed32 */
		CASE("\x08\x02\x08\x03", 0), /* twice: the last holds */
		CASE("", E_INVALID),         /* no kind */
		CASE("\x08\x00", E_INVALID), /* NONE */
		CASE("\x08\x0a", 0),         /* of a later version */
		CASE("\x10\x07", E_INVALID),
		CASE("\x08", E_INVALID),
		CASE("\x08\x82", E_INVALID),
		CASE("\x09"
	         "12345678",
	         E_INVALID), /* kind as fixed64 */
		CASE("\x08\x02\x12\x01"
	         "x",
	         E_INVALID),                     /* id as bytes */
		CASE("\x08\x02\x78\x05", E_INVALID), /* body as a number */
		CASE("\x08\x02\x7a\x05"
	         "abcd",
	         E_INVALID), /* body past the end */
		CASE("\x08\x02\x7a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", E_INVALID),
		CASE("\x08\x02\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 0), /* the largest id */
		CASE("\x08\x02\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", E_INVALID),
		CASE("\x08\x02\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", E_INVALID),
		CASE("\x08\x02\x18\x80\x80\x80\x80\x10", E_INVALID), /* method of 33 bits */
		CASE("\x08\x02\x22\x0f"
	         "123456789012345",
	         E_INVALID), /* repeat id of 15 bytes */
		CASE("\x08\x02\x22\x10"
	         "1234567890123456",
	         0),
		CASE("\x08\x02\x38\x80\x80\x80\x80\x10", E_INVALID),     /* error of 33 bits */
		CASE("\x08\x02\x0b\x0c", E_INVALID),                     /* groups */
		CASE("\x08\x02\x02\x00", E_INVALID),                     /* field 0 */
		CASE("\x08\x02\xfa\xff\xff\xff\xff\x07\x00", E_INVALID), /* field past 29 bits */
#undef CASE
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct frame frame;
		struct errinfo info;
		int error = frame_parse(&frame, STR_OF(cases[i].bytes, cases[i].len), &info);
		if (error != cases[i].error)
			print_error("case %zu\n", i);
		assert_int_equal(error, cases[i].error);
		if (error == 0)
			assert_int_equal(frame.unknown, frame.kind == PK__FRAME__KIND__NONE);
	}
	/* Many fields: each takes its time, and only the last would hold. */
	struct buf many BUF_AUTO;
	buf_init(&many, 8192);
	for (size_t i = 0; i < FRAME_FIELDS_MAX; i++)
		buf_add_text(&many, i % 2 == 0 ? "\x08\x02" : "\xf8\x07\x01");
	assert_int_equal(frame_parse(&(struct frame){0}, buf_str(&many), NULL), 0);
	buf_add_text(&many, "\x10\x07");
	assert_int_equal(frame_parse(&(struct frame){0}, buf_str(&many), NULL), E_INVALID);
	/* Text of a peer is bounded when read, and cut when written. */
	char text[FRAME_TEXT_MAX + 2];
	memset(text, 't', sizeof(text));
	struct buf wire BUF_AUTO;
	struct frame frame = {.kind = PK__FRAME__KIND__REPLY, .text = STR_OF(text, sizeof(text))};
	buf_init(&wire, 8192);
	put_whole(&wire, &frame);
	assert_int_equal(frame_parse(&frame, buf_str(&wire), NULL), 0);
	assert_int_equal(frame.text.len, FRAME_TEXT_MAX);
	buf_clear(&wire);
	buf_add_text(&wire, "\x08\x07\x42\x81\x08");
	buf_add(&wire, text, FRAME_TEXT_MAX + 1);
	assert_int_equal(frame_parse(&frame, buf_str(&wire), NULL), E_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ours_to_theirs_test),
		cmocka_unit_test(theirs_to_ours_test),
		cmocka_unit_test(refused_test),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
