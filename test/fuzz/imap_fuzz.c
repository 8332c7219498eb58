/*
 * What an IMAP client may send: a stream of commands through the reader and the grammar of every
 * command, as process.c would run them. The first byte says in what pieces the stream comes; what is
 * read must not depend on that. The same bytes are also taken for what the store hands on: a header to
 * pick fields from, an envelope and a body structure.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/must.h"
#include "base/utf8.h"
#include "imap/command.h"
#include "imap/fetch.h"
#include "imap/folder.h"
#include "imap/front.h"
#include "imap/pattern.h"
#include "imap/structure.h"
#include "imap/utf7.h"

#include "../unit/mail/grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINE_MAX_HERE = 8 * 1024, LITERAL_MAX_HERE = 4 * 1024, ARENA_MAX = 8 * 1024 * 1024 };

/* Messages 10 to 12 and 20, the last one recent. */
static struct view *make_folder(void)
{
	Pk__UidRange a = PK__UID_RANGE__INIT, b = PK__UID_RANGE__INIT;
	a.first = 10;
	a.last = 12;
	b.first = b.last = 20;
	Pk__UidRange *ranges[] = {&a, &b};
	Pk__SelectReply reply = PK__SELECT_REPLY__INIT;
	reply.uids = ranges;
	reply.n_uids = 2;
	reply.uid_next = 21;
	reply.recent_from = 20;
	return view_new(&reply, STR("INBOX"), false);
}

static const struct imap_command *command_of(struct imap_parse *in)
{
	struct str tag, first, second;
	if (!imap_tag(in, &tag) || !imap_space(in) || !imap_atom(in, &first))
		return NULL;
	if (!str_eq_nocase(first, STR("UID")))
		return imap_command_find(first);
	if (!imap_space(in) || !imap_atom(in, &second))
		return NULL;
	struct buf name BUF_AUTO;
	buf_init(&name, 100);
	buf_add_str(&name, STR("UID "));
	buf_add_str(&name, second);
	return imap_command_find(buf_str(&name));
}

/* Whether the command would take the literal itself. No size is small enough for this front, so that it
 * never gets as far as asking for memory. */
static bool is_for_command(struct imap_reader *reader, struct imap_client *client)
{
	struct imap_parse in = {.c = cursor_of(buf_str(&reader->text)), .arena = arena_new(ARENA_MAX)};
	const struct imap_command *command = command_of(&in);
	bool is = reader->literal_size > 0 && command != NULL && command->literal != NULL &&
	          command->literal(&in, client, reader->literal_size) != IMAP_LITERAL_IS_TEXT;
	arena_free(in.arena);
	return is;
}

static void run(struct str text, struct imap_client *client)
{
	client->arena = arena_new(ARENA_MAX);
	struct imap_parse in = {.c = cursor_of(text), .arena = client->arena};
	const struct imap_command *command = command_of(&in);
	if (command != NULL && command->parse != NULL) {
		bool parsed = command->parse(&in, client) && imap_end(&in);
		must(!parsed || (in.c.p == in.c.end && client->args != NULL) || command == &imap_cmd_id);
		must(in.c.p >= text.ptr && in.c.p <= text.ptr + text.len);
	}
	arena_free(client->arena);
	client->arena = NULL;
	client->args = NULL;
}

/* Feeds input in pieces of step bytes (0: whole) and adds what is read to seen. */
static void stream(struct str input, size_t step, struct buf *seen)
{
	struct imap_reader reader;
	struct imap_front front = {.message_size_max = 0};
	struct view *folder = make_folder();
	struct imap_client client = {.front = &front, .folder = folder, .state = IMAP_SELECTED};
	bool taken = false; /* a literal of the text so far */
	imap_reader_init(&reader, LINE_MAX_HERE, IMAP_TEXT_MAX);
	bool flood = false;
	size_t at = 0, known = 0;
	while (!flood && (known < input.len || at < known)) {
		if (known < input.len)
			known = step == 0 || step > input.len - known ? input.len : known + step;
		enum imap_read event;
		at += imap_reader_feed(&reader, str_slice(input, at, known - at), &event);
		must(at <= known);
		if (event == IMAP_READ_MORE) {
			must(at == known);
			continue;
		}
		buf_addf(seen, "%d ", (int)event == IMAP_READ_DIVERTED ? 0 : (int)event);
		if (event == IMAP_READ_COMMAND) {
			buf_add_str(seen, buf_str(&reader.text));
			run(buf_str(&reader.text), &client);
			taken = false;
			imap_reader_reset(&reader);
		} else if (event == IMAP_READ_DIVERTED) {
			size_t left = known - at;
			size_t take = left < reader.literal_left ? left : (size_t)reader.literal_left;
			imap_reader_diverted(&reader, take);
			at += take;
			seen->len -= 2;
		} else if (event == IMAP_READ_REFUSED) {
			taken = false;
			imap_reader_reset(&reader);
		} else if (event == IMAP_READ_FLOOD) {
			flood = true;
		} else if (!taken && is_for_command(&reader, &client)) {
			taken = true;
			imap_reader_divert(&reader);
		} else if (reader.literal_size <= LITERAL_MAX_HERE &&
		           reader.literal_size <= imap_reader_room(&reader)) {
			imap_reader_take(&reader);
		} else if (reader.synchronizing) {
			imap_reader_reset(&reader);
		} else {
			imap_reader_skip(&reader, 0);
		}
	}
	imap_reader_done(&reader);
	view_free(folder);
}

static void values(struct str text)
{
	struct buf out BUF_AUTO;
	buf_init(&out, 10 * text.len + 100);
	struct str fields[] = {STR("subject"), STR("x")};
	const struct fetch_section section = {.fields = fields, .field_count = 2};
	fetch_filter_header(&out, text, &section);
	must(!out.failed && out.len <= text.len + 4);
	buf_clear(&out);
	if (utf7_decode(text, &out)) {
		must(utf8_valid(buf_str(&out)));
		struct buf again BUF_AUTO;
		buf_init(&again, 10 * out.len + 100);
		utf7_encode(buf_str(&out), &again);
		must(!again.failed);
	}
	struct str half = str_slice(text, 0, text.len / 2);
	if (imap_pattern_allowed(half))
		(void)imap_pattern_matches(half, str_from_byte(text, text.len / 2));
}

/* What a store gives for an envelope and a structure, packed or as an earlier version's text: one
 * well-formed value whatever it is. */
static void described(struct str text)
{
	struct scratch *scratch = scratch_new(NULL);
	struct buf out BUF_AUTO;
	buf_init(&out, 64 * 1024 * 1024);
	for (int rendered = 0; rendered < 2; rendered++) {
		const struct imap_described from = {.packed = rendered == 0 ? text : STR(""),
		                                    .rendered = rendered == 1 ? text : STR("")};
		buf_clear(&out);
		imap_write_row_envelope(&out, scratch, &from);
		must(!out.failed && check_envelope(buf_str(&out)) == NULL);
		for (int extended = 0; extended < 2; extended++) {
			buf_clear(&out);
			imap_write_row_structure(&out, scratch, &from, extended == 1);
			must(!out.failed && check_body(buf_str(&out), extended == 1, NULL) == NULL);
		}
	}
	scratch_free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct str input = STR_OF(data + 1, size - 1);
	struct buf whole BUF_AUTO, cut BUF_AUTO;
	buf_init(&whole, 64 * 1024 * 1024);
	buf_init(&cut, 64 * 1024 * 1024);
	stream(input, 0, &whole);
	stream(input, 1 + data[0], &cut);
	must(str_eq(buf_str(&whole), buf_str(&cut)));
	values(input);
	described(input);
	return 0;
}
