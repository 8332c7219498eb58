/*
 * A directory and a store that somebody has taken over: for each method that the front calls, and each way to
 * lie, a client goes through its commands. It gets a tagged answer to each, or BYE; what the cores say never
 * stands in its stream as a line of its own; and a client beside it, who is told the truth, goes on.
 */

#include "imap/imap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "crypto/secret.h"
#include "directory.pb-c.h"
#include "net/link.h"
#include "store.pb-c.h"
#include "structure.pb-c.h"

#include "../net/lies.h"
#include "../front/front_rig.h"

enum { ANSWER_S = 20, STREAM_PIECES = 100, LINE_SIZE_MAX = 4 * 1024 * 1024 };

/* What the front calls; the cores' own numbers, of the directory plus 1000. */
enum { DIRECTORY = 1000 };
#define D(name) DIRECTORY + PK__DIRECTORY_METHOD__DIRECTORY_##name
#define S(name) PK__STORE_METHOD__STORE_##name

static const struct row {
	uint32_t method;
	const ProtobufCMessageDescriptor *reply;
	const ProtobufCMessageDescriptor *piece; /* of a stream */
} rows[] = {
	{D(LOGIN), &pk__login_reply__descriptor, NULL},
	{D(KEY_RECORD), &pk__key_record_reply__descriptor, NULL},
	{D(SCRAM_START), &pk__scram_start_reply__descriptor, NULL},
	{S(OPEN), &pk__open_reply__descriptor, NULL},
	{S(CLOSE), &pk__empty__descriptor, NULL},
	{S(FOLDER_LIST), &pk__folder_list_reply__descriptor, NULL},
	{S(FOLDER_CREATE), &pk__folder_reply__descriptor, NULL},
	{S(FOLDER_DELETE), &pk__empty__descriptor, NULL},
	{S(FOLDER_RENAME), &pk__empty__descriptor, NULL},
	{S(FOLDER_SUBSCRIBE), &pk__empty__descriptor, NULL},
	{S(FOLDER_STATUS), &pk__folder_status_reply__descriptor, NULL},
	{S(SELECT), &pk__select_reply__descriptor, NULL},
	{S(UNSELECT), &pk__empty__descriptor, NULL},
	{S(CHANGES), &pk__changes_reply__descriptor, NULL},
	{S(FETCH), &pk__empty__descriptor, &pk__fetch_chunk__descriptor},
	{S(STORE), &pk__store_reply__descriptor, NULL},
	{S(SEARCH), &pk__search_reply__descriptor, NULL},
	{S(COPY), &pk__copy_reply__descriptor, NULL},
	{S(EXPUNGE), &pk__expunge_reply__descriptor, NULL},
	{S(APPEND), &pk__append_reply__descriptor, NULL},
};

static struct {
	/* The present lie, told to sessions of the mailbox "liar" only. */
	pthread_mutex_t lock;
	const struct row *row;
	enum lie lie;
	size_t told;
} world = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---------------------------------------------------------------- the cores */

/* Sessions. What lies name is about the liar's: of its own a store may say what it likes. */
enum { LIAR = 2, HONEST = 77 };

static void add_uids(struct buf *out, uint32_t field, uint32_t first, uint32_t last)
{
	struct buf range BUF_AUTO;
	buf_init(&range, 100);
	lie_varint(&range, 1 << 3);
	lie_varint(&range, first);
	lie_varint(&range, 2 << 3);
	lie_varint(&range, last);
	lie_field(out, field, buf_str(&range));
}

static void add_number(struct buf *out, uint32_t field, uint64_t number)
{
	lie_varint(out, (uint64_t)field << 3);
	lie_varint(out, number);
}

static void add_folder(struct buf *out, uint32_t field, uint64_t id, const char *name)
{
	struct buf folder BUF_AUTO;
	buf_init(&folder, 100);
	add_number(&folder, 1, id);
	lie_field(&folder, 2, str_from(name));
	add_number(&folder, 7, 1);
	lie_field(out, field, buf_str(&folder));
}

/* Mailbox of three messages, folders INBOX and Trash. */
static void tell_truth(struct buf *out, uint32_t method, uint64_t session)
{
	static const char secret[32] = {1};
	switch (method) {
	case D(KEY_RECORD):
		lie_field(out, 1, STR_OF(secret, sizeof(secret)));
		break;
	case D(SCRAM_START):
		lie_field(out, 1, STR_OF(secret, 16));
		add_number(out, 2, 4096);
		break;
	case S(OPEN):
		add_number(out, 1, session);
		break;
	case S(FOLDER_LIST):
		add_folder(out, 1, 1, "INBOX");
		add_folder(out, 1, 2, "Trash");
		break;
	case S(FOLDER_CREATE):
		add_folder(out, 1, 3, "New");
		break;
	case S(FOLDER_STATUS):
		for (uint32_t field = 1; field <= 9; field++)
			add_number(out, field, 4);
		break;
	case S(SELECT):
		add_number(out, 1, 1);
		add_number(out, 2, 1);
		add_number(out, 3, 4);
		add_number(out, 4, 5);
		add_uids(out, 7, 1, 3);
		break;
	case S(CHANGES):
		add_number(out, 1, 5);
		add_number(out, 4, 4);
		break;
	case S(STORE):
		add_number(out, 3, 5);
		break;
	case S(SEARCH):
		add_uids(out, 1, 1, 2);
		break;
	case S(COPY):
		add_number(out, 1, 1);
		add_uids(out, 2, 1, 1);
		add_uids(out, 3, 1, 1);
		break;
	case S(EXPUNGE):
		add_number(out, 2, 5);
		break;
	case S(APPEND):
		add_number(out, 1, 1);
		add_number(out, 2, 4);
		break;
	default:
		break;
	}
}

/* A row of FETCH whose structures are well packed, with what hurts in them. */
static void add_structures(struct buf *out, enum lie lie)
{
	static const ProtobufCMessageDescriptor *const types[] = {
		&pk__description__descriptor, &pk__envelope__descriptor, &pk__body_structure__descriptor};
	static const uint32_t fields[] = {13, 16, 17};
	struct buf row BUF_AUTO;
	buf_init(&row, LIE_BODY_MAX);
	add_number(&row, 1, 1);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct buf inner BUF_AUTO;
		buf_init(&inner, LIE_BODY_MAX);
		lie_fill(&inner, types[i], lie, 0);
		lie_field(&row, fields[i], buf_str(&inner));
	}
	lie_field(out, 1, buf_str(&row));
}

static void tell_events(struct link_inbound *request)
{
	struct link_peer *peer = link_inbound_peer(request);
	static const struct {
		uint32_t method;
		const ProtobufCMessageDescriptor *type;
	} events[] = {
		{PK__STORE_METHOD__STORE_EVENT_CHANGED, &pk__changed_event__descriptor},
		{PK__STORE_METHOD__STORE_EVENT_CLOSED, &pk__closed_event__descriptor},
		{PK__DIRECTORY_METHOD__DIRECTORY_EVENT_REVOKED, &pk__revoked_event__descriptor},
		{4711, &pk__empty__descriptor},
	};
	for (size_t i = 0; i < ARRAY_LEN(events) && peer != NULL; i++) {
		for (enum lie lie = LIE_EMPTY; lie <= LIE_MANY; lie++) {
			struct buf body BUF_AUTO;
			buf_init(&body, LIE_BODY_MAX);
			lie_fill(&body, events[i].type, lie, 0);
			ProtobufCMessage *event = link_unpack(events[i].type, buf_str(&body),
			                                      WIRE_ITEMS_MESSAGES);
			if (event == NULL)
				continue;
			link_event(peer, events[i].method, event);
			protobuf_c_message_free_unpacked(event, NULL);
		}
	}
}

static void tell_lie(struct link_inbound *request, const struct row *row, enum lie lie)
{
	struct buf body;
	const ProtobufCMessageDescriptor *other = row->reply == &pk__select_reply__descriptor
	                                              ? &pk__fetch_chunk__descriptor
	                                              : &pk__select_reply__descriptor;
	if (lie == LIE_EVENTS)
		tell_events(request);
	if (lie_error(lie) != 0) {
		link_reply_error(request, lie_error(lie), LIE_TEXT);
		return;
	}
	size_t pieces = lie == LIE_STREAM ? STREAM_PIECES : row->piece != NULL ? 2 : 0;
	for (size_t i = 0; i < pieces; i++) {
		buf_init(&body, LIE_BODY_MAX);
		if (i % 2 == 1)
			add_structures(&body, lie);
		else
			lie_body(&body, row->piece == NULL ? row->reply : row->piece, other, lie);
		(void)link_chunk(request, &body);
		buf_done(&body);
	}
	buf_init(&body, LIE_BODY_MAX);
	lie_body(&body, row->reply, other, lie);
	link_reply_packed(request, &body);
	buf_done(&body);
}

/* Field 1 of a request of the store: its session; of others: whom it is about. */
static bool is_about_liar(const struct link_inbound *request)
{
	struct cursor c = cursor_of(link_inbound_body(request));
	struct wire_field field;
	if (cursor_at_end(&c) || !wire_next(&c, &field))
		return false;
	return field.type == WIRE_VARINT ? field.value == LIAR : str_starts(field.bytes, STR("liar"));
}

static void answer_login(struct link_inbound *request, bool liar)
{
	static uint8_t secret[32] = {1};
	Pk__LoginReply reply = PK__LOGIN_REPLY__INIT;
	const ProtobufCBinaryData bytes = {sizeof(secret), secret};
	reply.mailbox = (char *)(uintptr_t)(liar ? "liar" : "honest");
	reply.address = reply.mailbox;
	reply.mailbox_secret = reply.key_record = reply.public_key = bytes;
	reply.slot = liar ? LIAR : HONEST;
	link_reply(request, &reply.base);
}

static void answer_truly(struct link_inbound *request, uint32_t method, bool liar)
{
	struct buf body;
	buf_init(&body, LIE_BODY_MAX);
	if (method == D(LOGIN)) {
		answer_login(request, liar);
		return;
	}
	if (method == S(FETCH)) {
		for (uint32_t uid = 1; uid <= 3; uid++) {
			struct buf row BUF_AUTO;
			buf_init(&row, 100);
			add_number(&row, 1, uid);
			add_number(&row, 2, 5);
			lie_field(&body, 1, buf_str(&row));
		}
		(void)link_chunk(request, &body);
		buf_init(&body, LIE_BODY_MAX);
	}
	tell_truth(&body, method, liar ? LIAR : HONEST);
	link_reply_packed(request, &body);
}

/* So that the front asks for the new key record. */
static void change_key(struct link_inbound *request)
{
	uint64_t sessions[] = {LIAR};
	Pk__ClosedEvent event = PK__CLOSED_EVENT__INIT;
	event.sessions = sessions;
	event.n_sessions = 1;
	event.reason = (char *)(uintptr_t)LIE_TEXT;
	event.key_changed = true;
	if (link_inbound_peer(request) != NULL)
		link_event(link_inbound_peer(request), PK__STORE_METHOD__STORE_EVENT_CLOSED, &event.base);
}

static void asked(struct link_inbound *request, uint32_t method)
{
	bool liar = is_about_liar(request);
	pthread_mutex_lock(&world.lock);
	const struct row *row = world.row;
	enum lie lie = world.lie;
	bool lies = row != NULL && row->method == method && liar;
	world.told += lies;
	pthread_mutex_unlock(&world.lock);
	if (row != NULL && row->method == D(KEY_RECORD) && method == S(CHANGES) && liar)
		change_key(request);
	if (lies)
		tell_lie(request, row, lie);
	else
		answer_truly(request, method, liar);
}

static void directory_asked(void *ctx, struct link_inbound *request)
{
	(void)ctx;
	asked(request, DIRECTORY + link_inbound_method(request));
}

static void store_asked(void *ctx, struct link_inbound *request)
{
	(void)ctx;
	asked(request, link_inbound_method(request));
}

static struct front_rig rig = {
	.name = "imap",
	.run = imap_run,
	.config = "auth_without_tls = yes\nimap_core_wait = 100ms\n",
	.log_level = LOG_LEVEL_ERROR + 1,
	.directory_asked = directory_asked,
	.store_asked = store_asked,
};

static int start(void **state)
{
	(void)state;
	return front_rig_start(&rig);
}

static int finish(void **state)
{
	(void)state;
	return front_rig_finish(&rig);
}

/* ---------------------------------------------------------------- clients */

struct client {
	int fd;
	char where[80]; /* for the report */
	struct buf in;
	bool ended;
};

static void client_open(struct client *client, const char *where)
{
	*client = (struct client){0};
	snprintf(client->where, sizeof(client->where), "%s", where);
	client->fd = front_rig_connect(rig.port, ANSWER_S);
	buf_init(&client->in, LINE_SIZE_MAX);
}

static void client_close(struct client *client)
{
	close(client->fd);
	buf_done(&client->in);
}

/* More bytes, or false at the end of the connection. */
static bool more(struct client *client)
{
	char bytes[16384];
	ssize_t got = recv(client->fd, bytes, sizeof(bytes), 0);
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		fail_msg("%s: no answer; so far: %.*s", client->where, (int)client->in.len, client->in.ptr);
	client->ended = client->ended || got <= 0;
	if (got > 0)
		buf_add(&client->in, bytes, (size_t)got);
	assert_false(client->in.failed);
	return got > 0;
}

/* The end of the first line, its literals included; -1: it is not whole. *ret_start: of what follows the last
 * literal in it. */
static ptrdiff_t line_end(struct str in)
{
	size_t at = 0;
	for (;;) {
		ptrdiff_t end = str_find(str_from_byte(in, at), STR("\r\n"));
		if (end < 0)
			return -1;
		struct str line = str_slice(in, at, (size_t)end);
		at += (size_t)end + 2;
		ptrdiff_t open = -1;
		for (size_t i = 0; i < line.len; i++)
			open = line.ptr[i] == '{' ? (ptrdiff_t)i : open;
		if (open < 0 || line.ptr[line.len - 1] != '}')
			return (ptrdiff_t)at;
		size_t literal = strtoul(line.ptr + open + 1, NULL, 10);
		if (literal > in.len - at)
			return -1;
		at += literal;
	}
}

/* One line, taken out of what came; false at the end. */
static bool read_line(struct client *client, struct buf *line)
{
	ptrdiff_t end;
	buf_clear(line);
	while ((end = line_end(buf_str(&client->in))) < 0)
		if (!more(client))
			return false;
	buf_add(line, client->in.ptr, (size_t)end);
	buf_consume(&client->in, (size_t)end);
	if (line->len > 2 + strlen(LIE_MARK) &&
	    memmem(line->ptr, 2 + strlen(LIE_MARK), LIE_MARK, strlen(LIE_MARK)) != NULL)
		fail_msg("%s: the core wrote to the client: %.*s", client->where, (int)line->len,
		         line->ptr);
	return true;
}

/* Up to the tagged answer, whose status it returns; 'B': the connection ended, and BYE said so. */
static char answer(struct client *client, const char *tag)
{
	struct buf line BUF_AUTO;
	bool bye = false;
	size_t len = strlen(tag);
	buf_init(&line, LINE_SIZE_MAX);
	while (read_line(client, &line)) {
		bye = bye || str_starts(buf_str(&line), STR("* BYE "));
		if (str_starts(buf_str(&line), STR_OF(tag, len)) && line.ptr[len] == ' ')
			return line.ptr[len + 1];
		if (str_starts(buf_str(&line), STR("+ ")))
			dprintf(client->fd, "*\r\n"); /* of SCRAM: that is enough */
		else if (!str_starts(buf_str(&line), STR("* ")))
			fail_msg("%s: a strange line: %.*s", client->where, (int)line.len, line.ptr);
	}
	/* In the middle of a line or a literal there is no place for a BYE. */
	if (!bye && client->in.len == 0)
		fail_msg("%s: the connection ended without a word", client->where);
	return 'B';
}

static char command(struct client *client, size_t number, const char *text)
{
	char tag[16];
	if (client->ended)
		return 'B';
	snprintf(tag, sizeof(tag), "t%zu", number);
	if (dprintf(client->fd, "%s %s\r\n", tag, text) < 0)
		client->ended = true;
	return answer(client, tag);
}

/* Calls every method; what is refused before is called for is called for again. */
static const char *const commands[] = {
	"LIST \"\" *",
	"CREATE New",
	"SUBSCRIBE New",
	"RENAME New Old",
	"STATUS Trash (MESSAGES UIDNEXT UIDVALIDITY UNSEEN SIZE HIGHESTMODSEQ)",
	"LIST \"\" % RETURN (STATUS (MESSAGES))",
	"APPEND INBOX {3+}\r\nx\r\n",
	"ENABLE CONDSTORE",
	"SELECT INBOX",
	"NOOP",
	"FETCH 1:* (FLAGS UID INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)",
	"UID FETCH 1:* (BODY.PEEK[] BODY.PEEK[1.MIME] BODY.PEEK[HEADER.FIELDS (SUBJECT)] PREVIEW "
	"EMAILID)",
	"FETCH 1 (BODY[TEXT]<0.10> BINARY.PEEK[1])",
	"STORE 1:* +FLAGS (\\Flagged word)",
	"STORE 1 (UNCHANGEDSINCE 3) FLAGS.SILENT ()",
	"SEARCH RETURN (MIN MAX COUNT ALL) TEXT x",
	"UID SEARCH MODSEQ 1",
	"COPY 1 Trash",
	"UID MOVE 1 Trash",
	"EXPUNGE",
	"UID EXPUNGE 1:*",
	"NOOP",
	"UNSELECT",
	"EXAMINE Trash",
	"CLOSE",
	"DELETE Old",
};

static void set_lie(const struct row *row, enum lie lie)
{
	pthread_mutex_lock(&world.lock);
	world.row = row;
	world.lie = lie;
	world.told = 0;
	pthread_mutex_unlock(&world.lock);
}

static size_t times_told(void)
{
	pthread_mutex_lock(&world.lock);
	size_t told = world.told;
	pthread_mutex_unlock(&world.lock);
	return told;
}

static void go_through(const struct row *row, enum lie lie, struct client *beside)
{
	struct client client;
	char where[80], name[40];
	snprintf(where, sizeof(where), "method %u, lie %d", row->method, lie);
	snprintf(name, sizeof(name), "LOGIN liar%u secret", row->method * 100 + lie);
	set_lie(row, lie);
	client_open(&client, where);
	char said = row->method == D(SCRAM_START)
	                ? command(&client, 0, "AUTHENTICATE SCRAM-SHA-256 biwsbj1saWFyLHI9YWJj")
	                : command(&client, 0, name);
	for (size_t i = 0; i < ARRAY_LEN(commands) && said == 'O'; i++)
		(void)command(&client, i + 1, commands[i]);
	client_close(&client);
	if (command(beside, row->method * 100 + lie, "NOOP") != 'O')
		fail_msg("%s: the client beside is gone", where);
}

/* Each method by each lie. */
static void nobody_is_lied_to(void **state)
{
	struct client beside;
	(void)state;
	set_lie(NULL, 0);
	client_open(&beside, "beside");
	assert_int_equal(command(&beside, 1, "LOGIN honest secret"), 'O');
	assert_int_equal(command(&beside, 2, "SELECT INBOX"), 'O');
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t told = 0;
		for (enum lie lie = 0; lie < LIE_COUNT; lie++) {
			if (lie == LIE_STREAM && rows[i].piece == NULL)
				continue; /* there is no credit for it: silence, see the tests of the link */
			go_through(&rows[i], lie, &beside);
			told += times_told();
		}
		if (told == 0)
			fail_msg("method %u was never called", rows[i].method);
	}
	client_close(&beside);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nobody_is_lied_to, start, finish),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
