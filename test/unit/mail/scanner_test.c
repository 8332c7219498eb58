#include "mail/scanner.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "mail/describe.h"

#include "corpus.h"
#include "grammar.h"

static void write_tree(struct buf *out, const struct mail_tree *tree)
{
	for (size_t i = 0; i < tree->count; i++) {
		const struct mail_part *part = &tree->parts[i];
		int depth = 0;
		for (uint32_t p = part->parent; p > 0; p = tree->parts[p - 1].parent)
			depth++;
		buf_addf(out, "%s%d:", i == 0 ? "" : " ", depth);
		for (size_t k = 0; k < part->type.len; k++)
			buf_add_byte(out, ascii_lower(part->type.ptr[k]));
		buf_add_byte(out, '/');
		for (size_t k = 0; k < part->subtype.len; k++)
			buf_add_byte(out, ascii_lower(part->subtype.ptr[k]));
		buf_addf(out, ":%zu", part->body_size);
	}
}

static void test_corpus(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(corpus); i++) {
		struct arena *arena = arena_new(1 << 20);
		struct mail_tree tree;
		struct buf out BUF_AUTO;
		buf_init(&out, 10000);
		assert_int_equal(mail_scan(STR_OF(corpus[i].raw, corpus[i].len), arena, &tree), 0);
		write_tree(&out, &tree);
		if (!str_eq(buf_str(&out), str_from(corpus[i].tree)) || tree.damaged != corpus[i].damaged)
			fail_msg("%s: %.*s, damaged %d", corpus[i].name, STR_ARG(out), tree.damaged);
		arena_free(arena);
	}
}

static const char *check(struct str raw, struct arena *arena)
{
	const Pk__Description *d = mail_describe(raw, arena);
	return d == NULL ? "no description" : check_description(raw, d);
}

static uint32_t next_random(uint32_t *random)
{
	*random = *random * 1664525 + 1013904223;
	return *random >> 8;
}

/* Cut at every byte, each message has a tree that keeps the rules. */
static void test_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(corpus); i++) {
		for (size_t len = 0; len <= corpus[i].len; len++) {
			struct arena *arena = arena_new(MAIL_DESCRIBE_ARENA);
			char *copy MEM_AUTO = mem_copy_string(corpus[i].raw, len);
			const char *why = check(STR_OF(copy, len), arena);
			if (why != NULL)
				fail_msg("%s cut at %zu: %s", corpus[i].name, len, why);
			arena_free(arena);
		}
	}
}

/* Changes a message: bytes, lines taken out, doubled or taken from another message. */
static size_t mutate(char *bytes, size_t len, size_t room, uint32_t *random)
{
	static const char replacements[] = "-\r\n \"();:,<>@=?*%'\\\0b\xc3\xff";
	for (uint32_t n = next_random(random) % 8 + 1; n > 0 && len > 0; n--) {
		size_t at = next_random(random) % len;
		size_t count = next_random(random) % 12 + 1;
		switch (next_random(random) % 4) {
		case 0:
			bytes[at] = replacements[next_random(random) % (sizeof(replacements) - 1)];
			break;
		case 1:
			if (count > len - at)
				count = len - at;
			memmove(bytes + at, bytes + at + count, len - at - count);
			len -= count;
			break;
		case 2:
			count *= 4;
			if (count > len - at)
				count = len - at;
			if (len + count <= room) {
				memmove(bytes + at + count, bytes + at, len - at);
				len += count;
			}
			break;
		default: {
			const struct corpus_message *other = &corpus[next_random(random) % ARRAY_LEN(corpus)];
			size_t take = other->len < len - at ? other->len : len - at;
			memcpy(bytes + at, other->raw, take);
		}
		}
	}
	return len;
}

static void test_mutations(void **state)
{
	enum { ROUNDS = 4000, ROOM = 8192 };
	(void)state;
	uint32_t random = 20261123;
	for (int round = 0; round < ROUNDS; round++) {
		char bytes[ROOM];
		const struct corpus_message *seed = &corpus[next_random(&random) % ARRAY_LEN(corpus)];
		memcpy(bytes, seed->raw, seed->len);
		size_t len = mutate(bytes, seed->len, ROOM, &random);
		char *copy MEM_AUTO = mem_copy_string(bytes, len);
		struct arena *arena = arena_new(MAIL_DESCRIBE_ARENA);
		const char *why = check(STR_OF(copy, len), arena);
		if (why != NULL)
			fail_msg("round %d: %s", round, why);
		arena_free(arena);
	}
}

static const Pk__Description *describe_checked(const struct buf *raw, struct arena *arena)
{
	const Pk__Description *d = mail_describe(buf_str(raw), arena);
	assert_non_null(d);
	const char *why = check_description(buf_str(raw), d);
	if (why != NULL)
		fail_msg("%s", why);
	return d;
}

static void test_depth(void **state)
{
	(void)state;
	static const bool as_message[] = {false, true};
	for (size_t k = 0; k < ARRAY_LEN(as_message); k++) {
		struct buf raw BUF_AUTO;
		buf_init(&raw, 1 << 20);
		for (int i = 0; i < 1000; i++) {
			if (as_message[k])
				buf_add_text(&raw, "Content-Type: message/rfc822\r\n\r\n");
			else
				buf_addf(&raw, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i,
				         i);
		}
		struct arena *arena = arena_new(MAIL_DESCRIBE_ARENA);
		const Pk__Description *d = describe_checked(&raw, arena);
		assert_int_equal(d->n_parts, MAIL_DEPTH_MAX + 1);
		assert_string_equal(d->parts[MAIL_DEPTH_MAX]->media_type, "application/octet-stream");
		assert_true(d->damaged);
		arena_free(arena);
	}
}

static void test_many_parts(void **state)
{
	static const int counts[] = {MAIL_PARTS_MAX - 1, MAIL_PARTS_MAX + 10};
	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(counts); k++) {
		struct buf raw BUF_AUTO;
		buf_init(&raw, 1 << 24);
		buf_add_text(&raw, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
		for (int i = 0; i < counts[k]; i++)
			buf_addf(&raw, "--b\r\nContent-Type: x/y%d\r\n\r\n%d\r\n", i, i);
		buf_add_text(&raw, "--b--\r\n");
		struct arena *arena = arena_new(MAIL_DESCRIBE_ARENA);
		const Pk__Description *d = describe_checked(&raw, arena);
		assert_int_equal(d->n_parts, MAIL_PARTS_MAX);
		assert_int_equal(d->damaged, k == 1);
		assert_string_equal(d->parts[MAIL_PARTS_MAX - 1]->media_type, "x/y9998");
		arena_free(arena);
	}
}

/* Big inputs that would take minutes if time grew with their square. */
static void test_linear(void **state)
{
	static const struct {
		const char *head, *piece;
	} cases[] = {
		{"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n", "--c\r\n"},
		{"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n", "--b \t"},
		{"", "\r\n"},
		{"", "a"},
		{"", "a: b\r\n"},
		{"To: x\r\n", " a@b,\r\n"},
		{"Subject: ", "=?utf-8?q?a?= "},
		{"Subject: ", "[a] Re: "},
		{"References: ", "<a@b> "},
		{"Content-Type: text/plain; ", "a*0*=b;"},
		{"Content-Type: text/html\r\n\r\n", "<a b=\""},
		{"Content-Type: text/html\r\n\r\n", "<!--<script></"},
		{"Content-Type: multipart/mixed; boundary=b\r\n\r\n",
	     "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"},
		{"Content-Type: multipart/digest; boundary=b\r\n\r\n",
	     "--b\r\n\r\nTo: a,b,c,d,e,f,g,h\r\n\r\n"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf raw BUF_AUTO;
		buf_init(&raw, 2 << 20);
		buf_add_text(&raw, cases[i].head);
		while (!raw.failed)
			buf_add_text(&raw, cases[i].piece);
		raw.failed = false;
		struct arena *arena = arena_new(MAIL_DESCRIBE_ARENA);
		int64_t start = clock_monotonic_ms();
		describe_checked(&raw, arena);
		if (clock_monotonic_ms() - start > 10000)
			fail_msg("%s takes %d ms", cases[i].piece, (int)(clock_monotonic_ms() - start));
		arena_free(arena);
	}
}

/* All that makes a description large at once: it still fits the link and the arena. */
static void test_largest(void **state)
{
	(void)state;
	struct buf raw BUF_AUTO;
	buf_init(&raw, MAIL_SIZE_MAX);
	for (const char *const *field = (const char *const[]){"From", "To", "Cc", "Subject", NULL};
	     *field != NULL; field++) {
		buf_addf(&raw, "%s: ", *field);
		for (int i = 0; i < 35000; i++)
			buf_add_text(&raw, "\"\"<\xc3\xbc>,");
		buf_add_text(&raw, "\r\n");
	}
	buf_add_text(&raw, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
	for (int i = 0; i < MAIL_PARTS_MAX; i++) {
		buf_addf(&raw, "--b\r\nContent-Type: text/%0122d; name=\"%0900d\"; x=%0900d\r\n\r\n", i, i,
		         i);
		buf_addf(&raw, "%01000d\r\n", i);
	}
	for (int i = 0; i < 100000; i++)
		buf_addf(&raw, "%0100d\r\n", i);
	assert_false(raw.failed);
	struct arena *arena = arena_new(MAIL_DESCRIBE_ARENA);
	const Pk__Description *d = describe_checked(&raw, arena);
	assert_true(d->damaged);
	assert_int_equal(d->n_parts, MAIL_PARTS_MAX);
	assert_true(pk__description__get_packed_size(d) > MAIL_DESCRIPTION_MAX - 4096);
	arena_free(arena);
}

/* An arena that is too small is an answer, not a crash. */
static void test_full_arena(void **state)
{
	(void)state;
	struct str raw = STR_OF(corpus[24].raw, corpus[24].len);
	bool fits = false;
	for (size_t max = 0; !fits; max += 512) {
		struct arena *arena = arena_new(max);
		fits = mail_describe(raw, arena) != NULL;
		arena_free(arena);
		assert_true(max < 1 << 20);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_corpus),     cmocka_unit_test(test_cut),
		cmocka_unit_test(test_mutations),  cmocka_unit_test(test_depth),
		cmocka_unit_test(test_many_parts), cmocka_unit_test(test_linear),
		cmocka_unit_test(test_largest),    cmocka_unit_test(test_full_arena),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
