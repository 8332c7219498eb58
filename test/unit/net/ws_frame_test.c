/* Frames of WebSocket, RFC 6455 section 5. */

#include "net/ws_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

#define WORDS(text) STR_OF(text, sizeof(text) - 1)

static const struct {
	struct str bytes;
	struct ws_frame frame;
} heads[] = {
	/* RFC 6455 section 5.7 */
	{WORDS("\x82\x05"), {.fin = true, .opcode = WS_BINARY, .len = 5}},
	{WORDS("\x82\x85\x37\xfa\x21\x3d"),
     {.fin = true,
      .masked = true,
      .opcode = WS_BINARY,
      .len = 5,
      .mask = {0x37, 0xfa, 0x21, 0x3d}}},
	{WORDS("\x02\x03"), {.opcode = WS_BINARY, .len = 3}},
	{WORDS("\x80\x02"), {.fin = true, .opcode = WS_CONTINUATION, .len = 2}},
	{WORDS("\x89\x05"), {.fin = true, .opcode = WS_PING, .len = 5}},
	{WORDS("\x8a\x85\x37\xfa\x21\x3d"),
     {.fin = true, .masked = true, .opcode = WS_PONG, .len = 5, .mask = {0x37, 0xfa, 0x21, 0x3d}}},
	{WORDS("\x82\x7e\x01\x00"), {.fin = true, .opcode = WS_BINARY, .len = 256}},
	{WORDS("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
     {.fin = true, .opcode = WS_BINARY, .len = 65536}},
	/* the ends of each way to write a length */
	{WORDS("\x82\x00"), {.fin = true, .opcode = WS_BINARY}},
	{WORDS("\x88\x7d"), {.fin = true, .opcode = WS_CLOSE, .len = 125}},
	{WORDS("\x82\x7e\x00\x7e"), {.fin = true, .opcode = WS_BINARY, .len = 126}},
	{WORDS("\x82\xfe\xff\xff\x01\x02\x03\x04"),
     {.fin = true, .masked = true, .opcode = WS_BINARY, .len = 65535, .mask = {1, 2, 3, 4}}},
	{WORDS("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04"),
     {.fin = true, .masked = true, .opcode = WS_BINARY, .len = INT64_MAX, .mask = {1, 2, 3, 4}}},
	/* what is for the connection to refuse */
	{WORDS("\xf3\x01"), {.fin = true, .reserved = 7, .opcode = 3, .len = 1}},
	{WORDS("\x8f\x01"), {.fin = true, .opcode = 15, .len = 1}},
};

static void expect(const struct ws_frame *got, const struct ws_frame *wanted)
{
	assert_int_equal(got->fin, wanted->fin);
	assert_int_equal(got->masked, wanted->masked);
	assert_int_equal(got->reserved, wanted->reserved);
	assert_int_equal(got->opcode, wanted->opcode);
	assert_true(got->len == wanted->len);
	assert_memory_equal(got->mask, wanted->mask, WS_MASK_SIZE);
}

static void heads_test(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		struct str whole = heads[i].bytes;
		unsigned char written[WS_FRAME_HEAD_MAX];
		assert_int_equal(ws_frame_write(&heads[i].frame, written), whole.len);
		assert_memory_equal(written, whole.ptr, whole.len);
		/* cut at each place, and with a byte of the payload behind it */
		char bytes[WS_FRAME_HEAD_MAX + 1] = {0};
		memcpy(bytes, whole.ptr, whole.len);
		for (size_t cut = 0; cut <= whole.len; cut++) {
			struct ws_frame_head head = {0};
			struct ws_frame frame;
			struct str input = STR_OF(bytes, cut);
			if (cut < whole.len) {
				assert_int_equal(ws_frame_read(&head, &input, &frame), E_AGAIN);
				assert_int_equal(input.len, 0);
				input = STR_OF(bytes + cut, whole.len + 1 - cut);
			} else {
				input = STR_OF(bytes, whole.len + 1);
			}
			assert_int_equal(ws_frame_read(&head, &input, &frame), 0);
			assert_int_equal(input.len, 1);
			expect(&frame, &heads[i].frame);
			/* ready for the next */
			input = whole;
			assert_int_equal(ws_frame_read(&head, &input, &frame), 0);
			expect(&frame, &heads[i].frame);
		}
		/* byte by byte */
		struct ws_frame_head head = {0};
		struct ws_frame frame;
		for (size_t at = 0; at < whole.len; at++) {
			struct str input = str_slice(whole, at, 1);
			assert_int_equal(ws_frame_read(&head, &input, &frame),
			                 at + 1 < whole.len ? E_AGAIN : 0);
		}
		expect(&frame, &heads[i].frame);
	}
}

static void refused_test(void **state)
{
	(void)state;
	static const struct str bad[] = {
		WORDS("\x82\x7e\x00\x7d"),                         /* 125 in two bytes */
		WORDS("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff"), /* 65,535 in eight */
		WORDS("\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00"), /* the highest bit */
		WORDS("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"),
		WORDS("\x89\x7e\x00\x7e"),                 /* a control frame of 126 bytes */
		WORDS("\x88\xfe\x00\x7e\x01\x02\x03\x04"), /* masked */
		WORDS("\x8b\x7e\x00\x7e"),                 /* one that has no meaning yet */
		WORDS("\x09\x00"),                         /* a control frame in fragments */
		WORDS("\x08\x02"),
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct ws_frame_head head = {0};
		struct ws_frame frame;
		struct str input = bad[i];
		assert_int_equal(ws_frame_read(&head, &input, &frame), E_INVALID);
	}
}

static void mask_test(void **state)
{
	(void)state;
	static const unsigned char mask[WS_MASK_SIZE] = {0x37, 0xfa, 0x21, 0x3d};
	/* RFC 6455 section 5.7 */
	char hello[5];
	ws_mask(mask, 0, "Hello", hello, 5);
	assert_memory_equal(hello, "\x7f\x9f\x4d\x51\x58", 5);
	ws_mask(mask, 0, hello, hello, 5);
	assert_memory_equal(hello, "Hello", 5);
	/* any offset, length and alignment, and nothing but these bytes */
	for (size_t at = 0; at < 9; at++) {
		for (size_t len = 0; len < 40; len++) {
			char *from = malloc(len + 1), *to = malloc(len + 1);
			assert_non_null(from);
			assert_non_null(to);
			for (size_t i = 0; i < len; i++)
				from[i] = (char)(i * 7 + at);
			to[len] = 'x';
			ws_mask(mask, at, from, to, len);
			for (size_t i = 0; i < len; i++)
				assert_int_equal((unsigned char)to[i],
				                 (unsigned char)from[i] ^ mask[(at + i) % WS_MASK_SIZE]);
			assert_int_equal(to[len], 'x');
			ws_mask(mask, at, to, to, len);
			assert_memory_equal(from, to, len);
			/* in pieces */
			size_t cut = len / 3;
			ws_mask(mask, at, from, from, cut);
			ws_mask(mask, at + cut, from + cut, from + cut, len - cut);
			ws_mask(mask, at, to, to, len);
			assert_memory_equal(from, to, len);
			free(from);
			free(to);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_test),
		cmocka_unit_test(refused_test),
		cmocka_unit_test(mask_test),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
