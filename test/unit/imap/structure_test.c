#include "imap/structure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"

#include "../mail/grammar.h"

/* What a front that was taken over would like to stand in a victim's stream. */
static const struct str hostile[] = {
	STR("x\r\n* BYE gone\r\n"),
	STR("\r\na1 OK done\r\n"),
	STR("\"\r\n* 1 FETCH (FLAGS ())"),
	STR("\" \"\\"),
	STR("a\\"),
	STR("\0\0x\0"),
	STR("\0"),
	STR("{5}\r\nhello"),
	STR("{3+}"),
	STR(")) NIL (("),
	STR("\xc3\xbc\xff\x80"),
	STR("NIL"),
	STR(""),
	STR("text"),
	STR("MULTIPART"),
	STR("message"),
	STR("RFC822"),
};

/* Every field of bytes of a message and of the messages in it, one number each. */
static bool set_field(ProtobufCMessage *message, int *number, struct str value)
{
	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &message->descriptor->fields[i];
		char *member = (char *)message + f->offset;
		size_t count = f->label == PROTOBUF_C_LABEL_REPEATED
		                   ? *(size_t *)(void *)((char *)message + f->quantifier_offset)
		                   : 1;
		bool many = f->label == PROTOBUF_C_LABEL_REPEATED;
		for (size_t n = 0; n < count; n++) {
			if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
				ProtobufCMessage *inner = many ? (*(ProtobufCMessage ***)(void *)member)[n]
				                               : *(ProtobufCMessage **)(void *)member;
				if (inner != NULL && set_field(inner, number, value))
					return true;
			}
			if (f->type != PROTOBUF_C_TYPE_BYTES || (*number)-- != 0)
				continue;
			ProtobufCBinaryData *bytes = many ? &(*(ProtobufCBinaryData **)(void *)member)[n]
			                                  : (ProtobufCBinaryData *)(void *)member;
			*bytes = (ProtobufCBinaryData){value.len, (uint8_t *)(uintptr_t)value.ptr};
			if (!many)
				*(protobuf_c_boolean *)((char *)message + f->quantifier_offset) = true;
			return true;
		}
	}
	return false;
}

static const char all_fields[] =
	"Date: d\r\nSubject: s\r\nFrom: F <@r:f@x>\r\nSender: S <s@x>\r\nReply-To: R <r@x>\r\n"
	"To: team: a@x, B <b@x>;\r\nCc: c@x\r\nBcc: d@x\r\nIn-Reply-To: <i@x>\r\nMessage-ID: <m@x>\r\n"
	"Content-Type: multipart/mixed; boundary=b; x=y\r\nContent-Disposition: inline; z=1\r\n"
	"Content-Language: en, de\r\nContent-Location: http://x\r\n\r\n"
	"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-ID: <i>\r\nContent-Description: "
	"d\r\n"
	"Content-MD5: abc\r\nContent-Disposition: attachment; filename=x\r\nContent-Language: en\r\n"
	"Content-Location: l\r\n\r\nx\r\n"
	"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\nFrom: f@x\r\n\r\nx\r\n--b--\r\n";

/* Packs and unpacks too, so that the fields are what a row brings. */
static void show(const ProtobufCMessage *message, bool is_envelope, struct scratch *scratch)
{
	struct buf packed BUF_AUTO, out BUF_AUTO;
	buf_init(&packed, 1 << 20);
	buf_init(&out, 1 << 20);
	size_t size = protobuf_c_message_get_packed_size(message);
	protobuf_c_message_pack(message, (uint8_t *)buf_reserve(&packed, size));
	packed.len = size;
	const struct imap_described from = {.packed = buf_str(&packed)};
	if (is_envelope) {
		imap_write_row_envelope(&out, scratch, &from);
		assert_null(check_envelope(buf_str(&out)));
		return;
	}
	for (int extended = 0; extended < 2; extended++) {
		buf_clear(&out);
		imap_write_row_structure(&out, scratch, &from, extended == 1);
		assert_null(check_body(buf_str(&out), extended == 1, NULL));
	}
}

static void test_hostile_fields(void **state)
{
	(void)state;
	struct arena *arena = arena_new(MAIL_DESCRIBE_ARENA);
	struct scratch *scratch = scratch_new(NULL), *fields = scratch_new(NULL);
	const Pk__Description *d = mail_describe(str_from(all_fields), arena);
	assert_non_null(d);
	size_t counts[2] = {0};
	const ProtobufCMessageDescriptor *types[2] = {&pk__envelope__descriptor,
	                                              &pk__body_structure__descriptor};
	struct str packed[2] = {STR_OF_BYTES(d->envelope), STR_OF_BYTES(d->body_structure)};
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		for (int which = 0; which < 2; which++) {
			bool found = true;
			for (int field = 0; found; field++) {
				int number = field;
				ProtobufCMessage *message = scratch_unpack(fields, types[which], packed[which],
				                                           WIRE_ITEMS_MANY);
				assert_non_null(message);
				found = set_field(message, &number, hostile[i]);
				show(message, which == 0, scratch);
				scratch_reset(fields);
				counts[which] += found;
			}
		}
	}
	assert_int_equal(counts[0] / ARRAY_LEN(hostile), 4 + 9 * 4);
	assert_true(counts[1] / ARRAY_LEN(hostile) > 40);
	scratch_free(fields);
	scratch_free(scratch);
	arena_free(arena);
}

/* A row without anything, and bytes that are no such message. */
static void test_garbage(void **state)
{
	(void)state;
	struct scratch *scratch = scratch_new(NULL);
	struct buf out BUF_AUTO;
	buf_init(&out, 1 << 20);
	uint32_t random = 1;
	for (int i = 0; i < 20000; i++) {
		unsigned char bytes[64];
		size_t len = (size_t)i % sizeof(bytes);
		for (size_t n = 0; n < len; n++) {
			random = random * 1664525 + 1013904223;
			bytes[n] = (unsigned char)(random >> 24);
		}
		if (len > 2) {
			bytes[0] = 1 << 3 | 2; /* a plausible first field */
			bytes[1] = (unsigned char)(len - 2);
		}
		const struct imap_described from = {.packed = STR_OF(bytes, len)};
		buf_clear(&out);
		imap_write_row_envelope(&out, scratch, &from);
		assert_null(check_envelope(buf_str(&out)));
		buf_clear(&out);
		imap_write_row_structure(&out, scratch, &from, true);
		assert_null(check_body(buf_str(&out), true, NULL));
	}
	scratch_free(scratch);
}

static struct str repeat(struct buf *out, struct str piece, size_t len)
{
	buf_init(out, len + piece.len);
	while (out->len < len)
		buf_add_str(out, piece);
	return buf_str(out);
}

/* A few megabytes that lie in a mailbox and would become hundreds: nothing is taken for them, and what is
 * shown is what a message without a description would show. */
static void test_swollen(void **state)
{
	static const struct {
		struct str piece;
		bool is_envelope;
	} cases[] = {
		{STR("\x0a\x00"), false},         /* bodies */
		{STR("\x0a\x02\x2a\x00"), false}, /* with a parameter each */
		{STR("\x0a\x02\x7a\x00"), false}, /* with an envelope each */
		{STR("\x1a\x00"), true},          /* addresses */
		{STR("\x42\x02\x12\x00"), true},
		{STR("\xf8\x07\x01"), true}, /* a field that nobody knows */
	};
	(void)state;
	struct scratch *scratch = scratch_new(NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf packed BUF_AUTO, out BUF_AUTO;
		repeat(&packed, cases[i].piece, 4 << 20);
		packed.len -= cases[i].piece.len;
		buf_init(&out, 1 << 20);
		const struct imap_described from = {.packed = buf_str(&packed)};
		assert_null(scratch_unpack(scratch,
		                           cases[i].is_envelope ? &pk__envelope__descriptor
		                                                : &pk__body_structure__descriptor,
		                           from.packed, WIRE_ITEMS_MANY));
		struct scratch_mark mark = scratch_mark(scratch);
		assert_int_equal(mark.used + mark.extra_used, 0);
		if (cases[i].is_envelope)
			imap_write_row_envelope(&out, scratch, &from);
		else
			imap_write_row_structure(&out, scratch, &from, false);
		assert_true(out.len < 200);
	}
	scratch_free(scratch);
}

/* No message can be described in such a way that its structure is not shown. */
static void test_as_large_as_they_get(void **state)
{
	enum { PARTS = 9000 };
	(void)state;
	struct buf groups BUF_AUTO, parts BUF_AUTO;
	buf_init(&groups, 2 << 20);
	buf_add_text(&groups, "From: ");
	for (size_t i = 0; i < 300000; i++)
		buf_add_text(&groups, ":;,");
	buf_add_text(&groups, "\r\n\r\nx");
	buf_init(&parts, 8 << 20);
	buf_add_text(&parts, "Content-Type: multipart/mixed; boundary=b\r\n");
	for (size_t i = 0; i < PARTS; i++)
		buf_add_text(&parts, "\r\n--b\r\nContent-Disposition: a; b=\r\nContent-Language: "
		                     "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x\r\n\r\n");
	const struct str messages[] = {buf_str(&groups), buf_str(&parts)};
	for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
		struct arena *arena = arena_new(MAIL_DESCRIBE_ARENA);
		const Pk__Description *d = mail_describe(messages[i], arena);
		assert_non_null(d);
		assert_true(d->damaged); /* so many that some were left out */
		assert_true(d->envelope.len > 100000 || d->body_structure.len > 100000);
		assert_true(
			wire_within(&pk__envelope__descriptor, STR_OF_BYTES(d->envelope), WIRE_ITEMS_MANY));
		assert_true(wire_within(&pk__body_structure__descriptor, STR_OF_BYTES(d->body_structure),
		                        WIRE_ITEMS_MANY));
		arena_free(arena);
	}
}

/* Bodies with these parents and kinds (l, m, r: leaf, multipart, message/rfc822, g: message/global), and
 * what is shown: a name for each body, or NULL where they are no tree. */
static void test_trees(void **state)
{
	static const struct {
		const char *kinds;
		uint32_t parents[6];
		const char *shown;
	} cases[] = {
		{"l", {0}, "a"},
		{"m", {0}, "o"}, /* a multipart of nothing */
		{"r", {0}, "o"},
		{"ml", {0, 1}, "(a)"},
		{"mlml", {0, 1, 1, 3}, "(a(a))"},
		{"mmll", {0, 1, 2, 1}, "((a)a)"},
		{"rl", {0, 1}, "[a]"},
		{"rml", {0, 1, 2}, "[(a)]"},
		{"gl", {0, 1}, "g"},
		{"mgmll", {0, 1, 2, 3, 1}, "(ga)"},
		{"mgrll", {0, 1, 2, 3, 1}, "(ga)"},
		{"", {0}, NULL},
		{"l", {1}, NULL},
		{"ll", {0, 0}, NULL},
		{"ll", {0, 1}, NULL},
		{"ml", {0, 2}, NULL},
		{"ml", {0, 99}, NULL},
		{"mlml", {0, 1, 1, 2}, NULL},
		{"mmll", {0, 1, 1, 2}, NULL}, /* not in preorder */
		{"rll", {0, 1, 1}, NULL},
		{"mgll", {0, 1, 2, 9}, NULL},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		Pk__Body bodies[6], *pointers[6];
		Pk__Envelope envelope = PK__ENVELOPE__INIT;
		Pk__BodyStructure structure = PK__BODY_STRUCTURE__INIT;
		structure.bodies = pointers;
		structure.n_bodies = strlen(cases[i].kinds);
		for (size_t n = 0; n < structure.n_bodies; n++) {
			char kind = cases[i].kinds[n];
			pk__body__init(&bodies[n]);
			pointers[n] = &bodies[n];
			bodies[n].parent = cases[i].parents[n];
			bodies[n].kind = kind == 'l'   ? PK__PART__KIND__LEAF
			                 : kind == 'm' ? PK__PART__KIND__MULTIPART
			                               : PK__PART__KIND__MESSAGE;
			const char *type = kind == 'l' ? "a" : kind == 'm' ? "multipart" : "message";
			const char *subtype = kind == 'r' ? "rfc822" : kind == 'g' ? "global" : "x";
			bodies[n].type = (ProtobufCBinaryData){strlen(type), (uint8_t *)(uintptr_t)type};
			bodies[n].subtype = (ProtobufCBinaryData){strlen(subtype),
			                                          (uint8_t *)(uintptr_t)subtype};
			bodies[n].envelope = kind == 'r' || kind == 'g' ? &envelope : NULL;
		}
		struct buf out BUF_AUTO, shape BUF_AUTO;
		buf_init(&out, 10000);
		buf_init(&shape, 100);
		buf_add_text(&out, "kept");
		bool good = imap_write_body_structure(&out, &structure, false);
		assert_int_equal(good, cases[i].shown != NULL);
		if (!good) {
			assert_int_equal(out.len, 4);
			continue;
		}
		assert_null(check_body(str_from_byte(buf_str(&out), 4), false, NULL));
		static const struct {
			const char *text;
			char shape[2];
		} pieces[] = {
			{"(\"a\" \"x\" NIL NIL NIL \"7bit\" 0)", "a"},
			{"(\"application\" \"octet-stream\" NIL NIL NIL \"7bit\" 0)", "o"},
			{"(\"message\" \"global\" NIL NIL NIL \"7bit\" 0)", "g"},
			{"(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 0 "
		     "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ",
		     "["},
			{" 0)", "]"},
			{" \"x\")", ")"},
			{"(", "("},
		};
		struct cursor c = cursor_of(str_from_byte(buf_str(&out), 4));
		for (size_t p = 0; p < ARRAY_LEN(pieces); p++) {
			if (!cursor_text(&c, str_from(pieces[p].text)))
				continue;
			buf_add_text(&shape, pieces[p].shape);
			p = (size_t)-1;
		}
		assert_true(cursor_at_end(&c));
		buf_add_byte(&shape, '\0');
		assert_string_equal(shape.ptr, cases[i].shown);
	}
}

/* Deeper than any description nests: refused, without recursion. */
static void test_deep(void **state)
{
	enum { DEEP = 5000 };
	(void)state;
	Pk__Body *bodies = mem_new_array(DEEP, sizeof(*bodies));
	Pk__Body **pointers = mem_new_array(DEEP, sizeof(Pk__Body *));
	Pk__BodyStructure structure = PK__BODY_STRUCTURE__INIT;
	structure.bodies = pointers;
	structure.n_bodies = DEEP;
	for (uint32_t i = 0; i < DEEP; i++) {
		pk__body__init(&bodies[i]);
		bodies[i].parent = i;
		bodies[i].kind = PK__PART__KIND__MULTIPART;
		pointers[i] = &bodies[i];
	}
	struct buf out BUF_AUTO;
	buf_init(&out, 1 << 20);
	assert_false(imap_write_body_structure(&out, &structure, true));
	assert_int_equal(out.len, 0);
	free(pointers);
	free(bodies);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile_fields), cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_swollen),        cmocka_unit_test(test_as_large_as_they_get),
		cmocka_unit_test(test_trees),          cmocka_unit_test(test_deep),
	};
	return cmocka_run_group_tests_name("imap/structure", tests, NULL, NULL);
}
