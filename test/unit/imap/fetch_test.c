#include "imap/fetch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"

/* ---------------------------------------------------------------- items */

/* The set, mark_seen and each section as the store is asked for it: "BODY[1.MIME]<5>=1/3@5+9". */
static bool parse(struct str text, struct buf *out)
{
	struct arena *arena = arena_new(1024 * 1024);
	struct imap_parse in = {.c = cursor_of(text), .arena = arena};
	struct fetch_items items;
	bool ok = fetch_items_parse(&in, &items) && imap_end(&in);
	if (ok) {
		buf_addf(out, "%x%s", items.set, items.mark_seen ? " seen" : "");
		for (size_t i = 0; i < items.section_count; i++) {
			const Pk__Section *request = items.requests[i];
			buf_addf(out, " %.*s=", STR_ARG(items.sections[i].label));
			for (size_t p = 0; p < request->n_path; p++)
				buf_addf(out, "%u.", request->path[p]);
			buf_addf(out, "%d", (int)request->what);
			if (request->offset != 0 || request->length != 0)
				buf_addf(out, "@%d+%d", (int)request->offset, (int)request->length);
		}
	}
	arena_free(arena);
	return ok;
}

static void test_items(void **state)
{
	(void)state;
	static const struct {
		const char *text, *items; /* NULL: an error */
	} cases[] = {
		{"ALL", "f"},
		{"fast", "7"},
		{"FULL", "4000f"},
		{"FLAGS", "1"},
		{"UID", "10000"},
		{"(FLAGS UID)", "10001"},
		{"(UID RFC822.SIZE ENVELOPE BODYSTRUCTURE INTERNALDATE)", "1001e"},
		{"BODY", "40000"},
		{"MODSEQ", "20000"},
		{"BODY[]", "0 seen BODY[]=0"},
		{"BODY.PEEK[]", "0 BODY[]=0"},
		{"body.peek[text]", "0 BODY[TEXT]=2"},
		{"BODY.PEEK[HEADER]", "0 BODY[HEADER]=1"},
		{"BODY.PEEK[1]", "0 BODY[1]=1.0"},
		{"BODY.PEEK[1.2.3]", "0 BODY[1.2.3]=1.2.3.0"},
		{"BODY.PEEK[1.2.MIME]", "0 BODY[1.2.MIME]=1.2.3"},
		{"BODY.PEEK[1.HEADER]", "0 BODY[1.HEADER]=1.1"},
		{"BODY.PEEK[1.TEXT]<0.10>", "0 BODY[1.TEXT]<0>=1.2@0+10"},
		{"BODY.PEEK[]<5.100>", "0 BODY[]<5>=0@5+100"},
		{"BODY.PEEK[HEADER.FIELDS (Subject From)]",
	     "0 BODY[HEADER.FIELDS (Subject From)]=1@0+1048576"},
		{"BODY.PEEK[HEADER.FIELDS (\"X Y\")]<3.4>",
	     "0 BODY[HEADER.FIELDS (\"X Y\")]<3>=1@0+1048576"},
		{"BODY.PEEK[2.HEADER.FIELDS.NOT (To)]", "0 BODY[2.HEADER.FIELDS.NOT (To)]=2.1@0+1048576"},
		{"RFC822", "0 seen RFC822=0"},
		{"RFC822.HEADER", "0 RFC822.HEADER=1"},
		{"RFC822.TEXT", "0 seen RFC822.TEXT=2"},
		{"(FLAGS BODY[] BODY.PEEK[1])", "1 seen BODY[]=0 BODY[1]=1.0"},
		{"", NULL},
		{"()", NULL},
		{"(FLAGS", NULL},
		{"(FLAGS )", NULL},
		{"FLAGS UID", NULL},
		{"(ALL)", NULL},
		{"NONSENSE", NULL},
		{"BODY[", NULL},
		{"BODY[1", NULL},
		{"BODY[0]", NULL},
		{"BODY[1.]", NULL},
		{"BODY[.1]", NULL},
		{"BODY[MIME]", NULL},
		{"BODY[1.NONSENSE]", NULL},
		{"BODY[HEADER.FIELDS]", NULL},
		{"BODY[HEADER.FIELDS ()]", NULL},
		{"BODY[HEADER.FIELDS (a]", NULL},
		{"BODY[]<1>", NULL},
		{"BODY[]<1.0>", NULL},
		{"BODY[]<1.2", NULL},
		{"BODY[]<-1.2>", NULL},
		{"BODY []", NULL},
		{"BODY.PEEK", NULL},
		{"RFC822.PEEK", NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, 100000);
		struct str text = str_from(cases[i].text);
		bool ok = parse(text, &out);
		assert_int_equal(ok, cases[i].items != NULL);
		if (ok) {
			buf_add_byte(&out, '\0');
			assert_string_equal(out.ptr, cases[i].items);
		}
		for (size_t len = 0; len < text.len; len++) {
			char *copy MEM_AUTO = str_dup(str_slice(text, 0, len));
			buf_clear(&out);
			(void)parse(STR_OF(copy, len), &out);
		}
	}
}

static bool parse_repeated(const char *head, const char *piece, int times, const char *tail)
{
	struct buf text BUF_AUTO, out BUF_AUTO;
	buf_init(&text, 1000000);
	buf_init(&out, 1000000);
	buf_add_text(&text, head);
	for (int i = 0; i < times; i++)
		buf_add_text(&text, piece);
	buf_add_text(&text, tail);
	return parse(buf_str(&text), &out);
}

static void test_item_limits(void **state)
{
	(void)state;
	assert_true(parse_repeated("(", "BODY[] ", FETCH_SECTIONS_MAX - 1, "BODY[])"));
	assert_false(parse_repeated("(", "BODY[] ", FETCH_SECTIONS_MAX, "BODY[])"));
	assert_true(parse_repeated("BODY[", "1.", FETCH_PATH_MAX - 1, "1]"));
	assert_false(parse_repeated("BODY[", "1.", FETCH_PATH_MAX, "1]"));
	assert_true(parse_repeated("BODY[HEADER.FIELDS (", "a ", FETCH_FIELDS_MAX - 1, "a)]"));
	assert_false(parse_repeated("BODY[HEADER.FIELDS (", "a ", FETCH_FIELDS_MAX, "a)]"));
}

/* ---------------------------------------------------------------- HEADER.FIELDS */

static void test_filter(void **state)
{
	(void)state;
	static const char header[] = "From: a\r\nSubject: one\r\n two\r\nX-Y: z\r\nsubject: again\r\n"
								 "no colon\r\n continued\r\n\r\nbody: x\r\n";
	static const struct {
		const char *field;
		bool not ;
		const char *kept;
	} cases[] = {
		{"subject", false, "Subject: one\r\n two\r\nsubject: again\r\n\r\n"},
		{"FROM", false, "From: a\r\n\r\n"},
		{"to", false, "\r\n"},
		{"body", false, "\r\n"},
		{"subject", true, "From: a\r\nX-Y: z\r\n\r\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, 10000);
		struct str field = str_from(cases[i].field);
		const struct fetch_section section = {
			.fields = &field, .field_count = 1, .fields_not = cases[i].not };
		fetch_filter_header(&out, str_from(header), &section);
		assert_true(str_eq(buf_str(&out), str_from(cases[i].kept)));
	}
	/* Without a line end, as a header that was cut at the limit. */
	struct buf out BUF_AUTO;
	buf_init(&out, 10000);
	struct str field = STR("a");
	const struct fetch_section section = {.fields = &field, .field_count = 1};
	fetch_filter_header(&out, STR("a: b"), &section);
	assert_true(str_eq(buf_str(&out), STR("a: b\r\n\r\n")));
}

/* ---------------------------------------------------------------- rows, and streams that break off */

static const char content[] = "Subject: x\r\nTo: y\r\n\r\nA body of some length.\r\n";

/* A store's answer to FETCH (UID BODY[] BODY[9] BODY[HEADER.FIELDS (To)]) in small pieces: which row
 * a piece is in and which bytes it has. */
struct pieces {
	uint32_t uid;
	size_t section; /* 0: all, 1: missing, 2: header */
	size_t offset;
	size_t step;
	bool done;
};

static bool next_row(struct pieces *at, Pk__FetchRow *row, Pk__SectionData *data)
{
	static const size_t sizes[] = {sizeof(content) - 1, 0, 21};
	if (at->uid == 0)
		return false;
	pk__fetch_row__init(row);
	pk__section_data__init(data);
	row->uid = at->uid;
	row->more = true;
	data->index = (uint32_t)at->section;
	data->total = sizes[at->section];
	data->missing = at->section == 1;
	data->offset = at->offset;
	size_t left = sizes[at->section] - at->offset;
	data->data.len = left < at->step ? left : at->step;
	data->data.data = (uint8_t *)(uintptr_t)(content + at->offset);
	at->offset += data->data.len;
	if (at->offset == sizes[at->section]) {
		at->offset = 0;
		if (++at->section == 3) {
			at->section = 0;
			row->more = false;
			at->uid = at->uid == 10 ? 12 : 0;
		}
	}
	return true;
}

static struct view *make_folder(void)
{
	Pk__UidRange a = PK__UID_RANGE__INIT;
	a.first = 10;
	a.last = 12;
	Pk__UidRange *ranges[] = {&a};
	Pk__SelectReply reply = PK__SELECT_REPLY__INIT;
	reply.uids = ranges;
	reply.n_uids = 1;
	reply.uid_next = 13;
	return view_new(&reply, STR("INBOX"), false);
}

/* Fetches with the stream broken off and begun again after break_after rows (0: never), later after
 * one more each time. */
static void fetch(size_t step, size_t break_after, struct buf *out)
{
	struct view *folder = make_folder();
	struct arena *arena = arena_new(1024 * 1024);
	struct imap_parse in = {
		.c = cursor_of(STR("(UID BODY.PEEK[] BODY.PEEK[9] BODY.PEEK[HEADER.FIELDS (To)])")),
		.arena = arena};
	struct fetch_items items;
	assert_true(fetch_items_parse(&in, &items));
	struct fetch_run run;
	fetch_run_init(&run, &items, folder, NULL, false);
	struct pieces at = {.uid = 10, .step = step};
	Pk__FetchRow row;
	Pk__SectionData data;
	size_t rows = 0, breaks = 0;
	while (next_row(&at, &row, &data)) {
		Pk__SectionData *list[] = {&data};
		row.sections = list;
		row.n_sections = 1;
		assert_int_equal(fetch_run_row(&run, &row, out), 0);
		if (break_after == 0 || ++rows < break_after + breaks)
			continue;
		rows = 0;
		breaks++;
		Pk__FetchRequest request = PK__FETCH_REQUEST__INIT;
		struct seq_range wanted = {10, 12};
		request.uids = imap_uid_ranges(arena, &wanted, 1);
		request.n_uids = 1;
		fetch_resume(&run, &request);
		uint32_t first = request.n_uids == 0 ? 13 : request.uids[0]->first;
		at = (struct pieces){.uid = first <= 10 ? 10 : first <= 12 ? 12 : 0, .step = step + breaks};
	}
	assert_true(fetch_run_between_rows(&run));
	fetch_run_done(&run);
	view_free(folder);
	arena_free(arena);
}

static void test_rows(void **state)
{
	(void)state;
	struct buf whole BUF_AUTO;
	buf_init(&whole, 10000);
	fetch(1000, 0, &whole);
	struct buf wanted BUF_AUTO;
	buf_init(&wanted, 10000);
	for (int seq = 1; seq <= 3; seq += 2)
		buf_addf(&wanted,
		         "* %d FETCH (UID %d BODY[] {%zu}\r\n%s BODY[9] NIL BODY[HEADER.FIELDS (To)] "
		         "{9}\r\nTo: y\r\n\r\n)\r\n",
		         seq, seq + 9, sizeof(content) - 1, content);
	assert_true(str_eq(buf_str(&whole), buf_str(&wanted)));
	for (size_t step = 1; step < 60; step++) {
		struct buf out BUF_AUTO;
		buf_init(&out, 10000);
		fetch(step, 0, &out);
		assert_true(str_eq(buf_str(&out), buf_str(&wanted)));
	}
}

/* However often the stream breaks off, the client sees the same bytes. */
static void test_resumed_rows(void **state)
{
	(void)state;
	struct buf wanted BUF_AUTO;
	buf_init(&wanted, 10000);
	fetch(1000, 0, &wanted);
	for (size_t step = 1; step < 60; step++) {
		for (size_t break_after = 1; break_after < 12; break_after++) {
			struct buf out BUF_AUTO;
			buf_init(&out, 10000);
			fetch(step, break_after, &out);
			assert_true(str_eq(buf_str(&out), buf_str(&wanted)));
		}
	}
}

/* Rows that do not go on where the last one stopped are an error, never a wrong literal. */
static void test_nonsense_rows(void **state)
{
	(void)state;
	static const struct {
		uint32_t uid, second_uid;
		uint32_t index;
		size_t offset, len, total;
	} cases[] = {
		{10, 10, 0, 6, 1, 10}, /* a gap */
		{10, 10, 0, 5, 6, 10}, /* past the end */
		{10, 10, 0, 5, 1, 11}, /* another total */
		{10, 10, 1, 0, 1, 1},  /* the next section before this one's end */
		{10, 10, 3, 0, 1, 1},  /* no such section */
		{10, 11, 0, 5, 5, 10}, /* another message */
		{10, 0, 0, 5, 5, 10},  /* none */
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct view *folder = make_folder();
		struct arena *arena = arena_new(1024 * 1024);
		struct imap_parse in = {.c = cursor_of(STR("(BODY.PEEK[] BODY.PEEK[1])")), .arena = arena};
		struct fetch_items items;
		assert_true(fetch_items_parse(&in, &items));
		struct fetch_run run;
		fetch_run_init(&run, &items, folder, NULL, false);
		struct buf out BUF_AUTO;
		buf_init(&out, 10000);
		Pk__FetchRow row = PK__FETCH_ROW__INIT;
		Pk__SectionData data = PK__SECTION_DATA__INIT;
		Pk__SectionData *list[] = {&data};
		row.uid = cases[i].uid;
		row.more = true;
		row.sections = list;
		row.n_sections = 1;
		data.total = 10;
		data.data = (ProtobufCBinaryData){5, (uint8_t *)(uintptr_t)content};
		assert_int_equal(fetch_run_row(&run, &row, &out), 0);
		row.uid = cases[i].second_uid;
		data.index = cases[i].index;
		data.offset = cases[i].offset;
		data.data.len = cases[i].len;
		data.total = cases[i].total;
		assert_int_equal(fetch_run_row(&run, &row, &out), E_INVALID);
		assert_false(fetch_run_between_rows(&run));
		fetch_run_done(&run);
		view_free(folder);
		arena_free(arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_items),        cmocka_unit_test(test_item_limits),
		cmocka_unit_test(test_filter),       cmocka_unit_test(test_rows),
		cmocka_unit_test(test_resumed_rows), cmocka_unit_test(test_nonsense_rows),
	};
	return cmocka_run_group_tests_name("imap/fetch", tests, NULL, NULL);
}
