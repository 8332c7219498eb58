/*
 * A store over a socketpair: the real server, workers, files and link, in a folder of its own. Every
 * function fails the test when something does not work that should.
 */

#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/mem.h"
#include "crypto/digest.h"
#include "crypto/seal.h"
#include "crypto/slot.h"
#include "db/db.h"
#include "net/link.h"
#include "store.pb-c.h"
#include "store/store.h"

#define UNUSED __attribute__((unused))

#ifndef HARNESS_ROOT
#define HARNESS_ROOT "/tmp"
#endif

struct owner {
	char mailbox[25];
	char password[PASSWORD_MAX + 1];
	struct key32 secret;
	struct data_key key;
	struct buf record;
	unsigned char public_key[SEAL_PUBLIC_SIZE];
};

struct harness {
	char dir[64];
	struct loop *loop;
	struct log log;
	struct secret *host_key;
	struct store_options options;
	struct store *store;
	struct core_server *server;
	struct link *link; /* role cli, which may ask for anything */
	bool stopped;
	/* Events that came, the last one in full. */
	int changed_events, closed_events;
	uint64_t changed_folder, changed_modseq, changed_sessions;
};

/* ---------------------------------------------------------------- life */

static UNUSED int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static UNUSED void on_event(void *ctx, uint32_t method, struct str body)
{
	struct harness *h = ctx;
	if (method == PK__STORE_METHOD__STORE_EVENT_CLOSED)
		h->closed_events++;
	if (method != PK__STORE_METHOD__STORE_EVENT_CHANGED)
		return;
	Pk__ChangedEvent *event = pk__changed_event__unpack(NULL, body.len, (const uint8_t *)body.ptr);
	assert_non_null(event);
	h->changed_events++;
	h->changed_folder = event->folder;
	h->changed_modseq = event->highest_modseq;
	h->changed_sessions = event->n_sessions;
	pk__changed_event__free_unpacked(event, NULL);
}

static UNUSED struct link *harness_connect(struct harness *h, const char *role)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	link_server_add_fd(core_server_link(h->server), pair[0], NULL);
	struct link_handlers handlers = {.ctx = h, .event = on_event};
	struct link *link = link_new_fd(h->loop, &h->log, pair[1], role, &handlers);
	for (int i = 0; i < 1000 && !link_connected(link); i++)
		loop_run_once(h->loop, 10);
	assert_true(link_connected(link));
	return link;
}

static const struct link_allowed harness_allowed[] = {
	{"imap", (uint32_t)-1}, {"smtp", (uint32_t)-1}, {"pop3", (uint32_t)-1}, {"cli", (uint32_t)-1}};

static UNUSED void harness_up(struct harness *h)
{
	struct errinfo info = {0};
	if (store_new(&h->store, h->loop, &h->log, &h->options, h->host_key, &info) != 0)
		fail_msg("%s", info.text);
	struct link_server_options link = {
		.allowed = harness_allowed,
		.allowed_count = ARRAY_LEN(harness_allowed),
		.local_role = "cli",
		.limits = {.upload_max = 64 * 1024 * 1024, .upload_total_max = 256 * 1024 * 1024},
	};
	h->server = core_server_new(h->loop, &h->log, &link, &store_core, h->store);
	h->link = harness_connect(h, "cli");
}

static UNUSED void harness_stopped(void *ctx)
{
	((struct harness *)ctx)->stopped = true;
}

static UNUSED void harness_down(struct harness *h)
{
	h->stopped = false;
	store_stop(h->store, harness_stopped, h);
	for (int i = 0; i < 1000 && !h->stopped; i++)
		loop_run_once(h->loop, 10);
	assert_true(h->stopped);
	link_free(h->link);
	core_server_free(h->server);
	store_free(h->store);
	h->store = NULL;
	h->link = NULL;
}

/* The store ends and starts again on the same files. */
static UNUSED void harness_restart(struct harness *h)
{
	harness_down(h);
	harness_up(h);
}

/* As init makes it. */
static UNUSED void harness_make_folder(const struct harness *h, const char *name)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", h->dir, name);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/%s/" STORE_FOLDER_MARKER, h->dir, name);
	assert_int_equal(close(open(path, O_CREAT | O_EXCL | O_WRONLY, 0600)), 0);
}

static UNUSED int harness_setup(void **state)
{
	struct harness *h = mem_new(sizeof(*h));
	struct errinfo info;
	assert_int_equal(crypto_init(&info), 0);
	assert_int_equal(db_init(&info), 0);
	strcpy(h->dir, HARNESS_ROOT "/postkasse-store-XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	harness_make_folder(h, "mailboxes");
	harness_make_folder(h, "temporary");
	h->loop = loop_new();
	h->log = (struct log){.role = "store", .fd = 2, .level = LOG_LEVEL_ERROR};
	unsigned char key[32];
	memset(key, 7, sizeof(key));
	h->host_key = secret_new(key, sizeof(key));
	assert_non_null(h->host_key);
	h->options = (struct store_options){
		.data_dir = h->dir,
		.workers = 4,
		.handles_max = 100,
		.limits =
			{
				.linger_ms = 10000,
				.merge_retry_ms = 10,
				.disk_reserve = 64 * 1024 * 1024,
				.handle_idle_ms = 60000,
				.sessions_max = 10,
			},
	};
	harness_up(h);
	*state = h;
	return 0;
}

static UNUSED int harness_teardown(void **state)
{
	struct harness *h = *state;
	harness_down(h);
	loop_free(h->loop);
	secret_free(h->host_key);
	nftw(h->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(h);
	return 0;
}

/* Lets the loop turn until what counts counts, for ten seconds at most. */
#define WAIT_FOR(h, condition)                                     \
	do {                                                           \
		for (int wait_ = 0; wait_ < 1000 && !(condition); wait_++) \
			loop_run_once((h)->loop, 10);                          \
		assert_true(condition);                                    \
	} while (0)

/* ---------------------------------------------------------------- calls */

static UNUSED int try_call(struct harness *h, struct link *link, uint32_t method,
                           const ProtobufCMessage *body, struct str upload, struct buf *reply,
                           struct errinfo *info)
{
	struct link_request request = {
		.method = method, .body = body, .kind = LINK_ONCE, .upload = upload};
	return link_call_wait(link, h->loop, &request, reply, info);
}

/* The unpacked reply, or NULL and *ret_error. */
static UNUSED void *call_on(struct harness *h, struct link *link, uint32_t method,
                            const ProtobufCMessage *body, struct str upload,
                            const ProtobufCMessageDescriptor *type, int *ret_error)
{
	struct buf reply BUF_AUTO;
	buf_init(&reply, LINK_MESSAGE_MAX);
	struct errinfo info = {0};
	*ret_error = try_call(h, link, method, body, upload, &reply, &info);
	if (*ret_error != 0)
		return NULL;
	void *message = link_unpack(type, buf_str(&reply), WIRE_ITEMS_MESSAGES);
	assert_non_null(message);
	return message;
}

#define CALL(h, number, body, type, error)                                         \
	call_on(h, (h)->link, PK__STORE_METHOD__STORE_##number, &(body).base, STR(""), \
	        &pk__##type##__descriptor, error)

#define FREE(message) protobuf_c_message_free_unpacked((ProtobufCMessage *)(message), NULL)

static UNUSED ProtobufCBinaryData bytes_from(const void *ptr, size_t len)
{
	union {
		const void *in;
		uint8_t *out;
	} p = {.in = ptr};
	return (ProtobufCBinaryData){.len = len, .data = p.out};
}

static UNUSED char *text_from(const char *text)
{
	union {
		const char *in;
		char *out;
	} p = {.in = text};
	return p.out;
}

/* ---------------------------------------------------------------- owners and sessions */

static UNUSED void owner_done(struct owner *owner)
{
	buf_done(&owner->record);
}

static UNUSED void owner_new(struct owner *owner)
{
	memset(owner, 0, sizeof(*owner));
	unsigned char id[12];
	random_bytes(id, sizeof(id));
	hex_encode(id, sizeof(id), owner->mailbox);
	struct buf password BUF_AUTO;
	buf_init(&password, PASSWORD_MAX);
	password_generate(&password);
	memcpy(owner->password, password.ptr, password.len);
	key32_random(&owner->secret);
	random_bytes(owner->key.salt, sizeof(owner->key.salt));
	data_key_derive(buf_str(&password), owner->key.salt, &owner->key);
	buf_init(&owner->record, KEY_RECORD_MAX);
	key_record_seal(&owner->record, str_from(owner->mailbox), &owner->secret, &owner->key, NULL);
}

static UNUSED int try_create(struct harness *h, struct owner *owner)
{
	Pk__CreateRequest request = PK__CREATE_REQUEST__INIT;
	request.mailbox = owner->mailbox;
	request.mailbox_secret = bytes_from(owner->secret.bytes, KEY_SIZE);
	request.key_record = bytes_from(owner->record.ptr, owner->record.len);
	int error;
	Pk__CreateReply *reply = CALL(h, CREATE, request, create_reply, &error);
	if (reply != NULL) {
		assert_int_equal(reply->public_key.len, SEAL_PUBLIC_SIZE);
		memcpy(owner->public_key, reply->public_key.data, SEAL_PUBLIC_SIZE);
		FREE(reply);
	}
	return error;
}

static UNUSED void create_mailbox(struct harness *h, struct owner *owner)
{
	owner_new(owner);
	assert_int_equal(try_create(h, owner), 0);
}

/* Keeps the record that it gives. */
static UNUSED int try_rekey(struct harness *h, struct owner *owner)
{
	Pk__RekeyRequest request = PK__REKEY_REQUEST__INIT;
	request.mailbox = owner->mailbox;
	request.mailbox_secret = bytes_from(owner->secret.bytes, KEY_SIZE);
	request.key_record = bytes_from(owner->record.ptr, owner->record.len);
	int error;
	Pk__RekeyReply *reply = CALL(h, REKEY, request, rekey_reply, &error);
	if (reply != NULL) {
		buf_clear(&owner->record);
		buf_add(&owner->record, reply->key_record.data, reply->key_record.len);
		FREE(reply);
	}
	return error;
}

static UNUSED Pk__OpenReply *try_open_for(struct harness *h, struct link *link, struct owner *owner,
                                          const char *service, int *ret_error)
{
	Pk__OpenRequest request = PK__OPEN_REQUEST__INIT;
	request.mailbox = owner->mailbox;
	request.mailbox_secret = bytes_from(owner->secret.bytes, KEY_SIZE);
	request.key_record = bytes_from(owner->record.ptr, owner->record.len);
	request.service = text_from(service);
	request.public_key = bytes_from(owner->public_key, SEAL_PUBLIC_SIZE);
	return call_on(h, link, PK__STORE_METHOD__STORE_OPEN, &request.base, STR(""),
	               &pk__open_reply__descriptor, ret_error);
}

/* The link of the harness is the command line's, all others are imap's. */
static UNUSED Pk__OpenReply *try_open(struct harness *h, struct link *link, struct owner *owner,
                                      int *ret_error)
{
	return try_open_for(h, link, owner, link == h->link ? "cli" : "imap", ret_error);
}

static UNUSED uint64_t open_session(struct harness *h, struct owner *owner)
{
	int error;
	Pk__OpenReply *reply = try_open(h, h->link, owner, &error);
	assert_int_equal(error, 0);
	uint64_t session = reply->session;
	FREE(reply);
	return session;
}

static UNUSED void close_session(struct harness *h, uint64_t session)
{
	Pk__SessionRequest request = PK__SESSION_REQUEST__INIT;
	request.session = session;
	int error;
	Pk__Empty *reply = CALL(h, CLOSE, request, empty, &error);
	assert_int_equal(error, 0);
	FREE(reply);
}

static UNUSED Pk__SelectReply *select_folder(struct harness *h, uint64_t session, const char *name)
{
	Pk__SelectRequest request = PK__SELECT_REQUEST__INIT;
	request.session = session;
	request.name = text_from(name);
	int error;
	Pk__SelectReply *reply = CALL(h, SELECT, request, select_reply, &error);
	assert_int_equal(error, 0);
	return reply;
}

static UNUSED uint64_t folder_id(struct harness *h, uint64_t session, const char *name)
{
	Pk__SelectReply *reply = select_folder(h, session, name);
	uint64_t id = reply->folder;
	FREE(reply);
	return id;
}

/* ---------------------------------------------------------------- messages */

/* What a front would say about a message of one part, or with one attachment as its second part. */
struct described {
	Pk__Description description;
	Pk__Part parts[3];
	Pk__Part *pointers[3];
	char search_header[4096];
};

static UNUSED void describe(struct described *d, struct str raw)
{
	memset(d, 0, sizeof(*d));
	pk__description__init(&d->description);
	ptrdiff_t blank = str_find(raw, STR("\r\n\r\n"));
	size_t header = blank < 0 ? raw.len : (size_t)blank + 4;
	pk__part__init(&d->parts[0]);
	d->parts[0].header_size = header;
	d->parts[0].body_offset = header;
	d->parts[0].body_size = raw.len - header;
	d->parts[0].media_type = text_from("text/plain");
	d->pointers[0] = &d->parts[0];
	d->description.parts = d->pointers;
	d->description.n_parts = 1;
	size_t n = header < sizeof(d->search_header) - 1 ? header : sizeof(d->search_header) - 1;
	size_t len = 0;
	for (size_t i = 0; i < n; i++)
		if (raw.ptr[i] != '\r')
			d->search_header[len++] = ascii_lower(raw.ptr[i]);
	d->description.search_header = bytes_from(d->search_header, len);
	d->description.search_text = bytes_from(raw.ptr == NULL ? "" : raw.ptr + header,
	                                        raw.len - header);
	d->description.envelope = bytes_from("\x12\x03" /* a subject */ "hi!", 5);
	d->description.body_structure = bytes_from("\x0a\x0d\x1a\x04text\x22\x05plain", 15);
}

/* Declares offset to offset + size of raw an attachment. */
static UNUSED void describe_attachment(struct described *d, size_t offset, size_t size,
                                       Pk__Part__Encoding encoding)
{
	d->parts[0].kind = PK__PART__KIND__MULTIPART;
	Pk__Part *part = &d->parts[d->description.n_parts];
	pk__part__init(part);
	part->parent = 1;
	part->header_offset = offset;
	part->body_offset = offset;
	part->body_size = size;
	part->encoding = encoding;
	part->attachment = true;
	part->media_type = text_from("application/octet-stream");
	d->pointers[d->description.n_parts] = part;
	d->description.n_parts++;
}

static UNUSED Pk__AppendReply *try_append(struct harness *h, uint64_t session, const char *folder,
                                          struct str raw, const struct described *d,
                                          const char *append_id, int *ret_error)
{
	struct described own;
	if (d == NULL)
		describe(&own, raw);
	Pk__AppendRequest request = PK__APPEND_REQUEST__INIT;
	request.session = session;
	request.name = text_from(folder);
	request.internal_date = 1700000000;
	request.append_id = bytes_from(append_id, append_id == NULL ? 0 : 16);
	union {
		const Pk__Description *in;
		Pk__Description *out;
	} description = {.in = d == NULL ? &own.description : &d->description};
	request.description = description.out;
	return call_on(h, h->link, PK__STORE_METHOD__STORE_APPEND, &request.base, raw,
	               &pk__append_reply__descriptor, ret_error);
}

static UNUSED uint32_t append(struct harness *h, uint64_t session, const char *folder,
                              struct str raw, const struct described *d)
{
	int error;
	Pk__AppendReply *reply = try_append(h, session, folder, raw, d, NULL, &error);
	assert_int_equal(error, 0);
	uint32_t uid = reply->uid;
	FREE(reply);
	return uid;
}

/* delivery_id: 16 bytes. */
static UNUSED int deliver_to(struct harness *h, const struct owner *owner, struct str raw,
                             const char *delivery_id, const struct described *d, bool *ret_sealed)
{
	struct described own;
	if (d == NULL)
		describe(&own, raw);
	Pk__DeliverRequest request = PK__DELIVER_REQUEST__INIT;
	Pk__DeliverTarget target = PK__DELIVER_TARGET__INIT, *targets[] = {&target};
	target.mailbox = text_from(owner->mailbox);
	target.public_key = bytes_from(owner->public_key, SEAL_PUBLIC_SIZE);
	target.delivery_id = bytes_from(delivery_id, 16);
	request.targets = targets;
	request.n_targets = 1;
	union {
		const Pk__Description *in;
		Pk__Description *out;
	} description = {.in = d == NULL ? &own.description : &d->description};
	request.description = description.out;
	request.internal_date = 1700000000;
	int error;
	Pk__DeliverReply *reply = call_on(h, h->link, PK__STORE_METHOD__STORE_DELIVER, &request.base,
	                                  raw, &pk__deliver_reply__descriptor, &error);
	assert_int_equal(error, 0);
	assert_int_equal(reply->n_results, 1);
	error = reply->results[0]->error;
	if (ret_sealed != NULL)
		*ret_sealed = reply->results[0]->sealed;
	FREE(reply);
	return error;
}

/* ---------------------------------------------------------------- fetching */

struct fetched {
	Pk__FetchRow *rows[4096]; /* as they came */
	size_t count;
	struct buf body; /* the bytes of section 0 of all rows, one after the other */
	size_t chunks;
};

static UNUSED void on_chunk(void *ctx, struct link_call *call, struct str body)
{
	struct fetched *f = ctx;
	Pk__FetchChunk *chunk = pk__fetch_chunk__unpack(NULL, body.len, (const uint8_t *)body.ptr);
	assert_non_null(chunk);
	f->chunks++;
	for (size_t i = 0; i < chunk->n_rows; i++) {
		assert_true(f->count < ARRAY_LEN(f->rows));
		Pk__FetchRow *row = chunk->rows[i];
		for (size_t s = 0; s < row->n_sections; s++)
			if (row->sections[s]->index == 0)
				buf_add(&f->body, row->sections[s]->data.data, row->sections[s]->data.len);
		f->rows[f->count++] = row;
		chunk->rows[i] = NULL;
	}
	chunk->n_rows = 0;
	pk__fetch_chunk__free_unpacked(chunk, NULL);
	link_call_grant(call, body.len);
}

struct fetch_wait {
	struct fetched *fetched;
	bool done;
	int error;
};

static UNUSED void wait_for_chunk(void *ctx, struct link_call *call, struct str body)
{
	on_chunk(((struct fetch_wait *)ctx)->fetched, call, body);
}

static UNUSED void wait_for_reply(void *ctx, int error, struct str text, struct str body)
{
	(void)text;
	(void)body;
	struct fetch_wait *wait = ctx;
	wait->done = true;
	wait->error = error;
}

static UNUSED int fetch_rows(struct harness *h, Pk__FetchRequest *request, struct fetched *f)
{
	memset(f, 0, sizeof(*f));
	buf_init(&f->body, 256 * 1024 * 1024);
	struct fetch_wait wait = {.fetched = f};
	struct link_request call = {
		.method = PK__STORE_METHOD__STORE_FETCH,
		.body = &request->base,
		.kind = LINK_ONCE,
		.ctx = &wait,
		.chunk = wait_for_chunk,
		.reply = wait_for_reply,
	};
	(void)link_call(h->link, &call);
	for (int i = 0; i < 6000 && !wait.done; i++)
		loop_run_once(h->loop, 10);
	assert_true(wait.done);
	return wait.error;
}

static UNUSED void fetched_done(struct fetched *f)
{
	for (size_t i = 0; i < f->count; i++)
		pk__fetch_row__free_unpacked(f->rows[i], NULL);
	buf_done(&f->body);
}

static UNUSED int fetch_uids(struct harness *h, uint64_t session, uint64_t folder, uint32_t first,
                             uint32_t last, uint32_t items, Pk__Section *section, struct fetched *f)
{
	Pk__FetchRequest request = PK__FETCH_REQUEST__INIT;
	Pk__UidRange range = PK__UID_RANGE__INIT, *ranges[] = {&range};
	Pk__Section *sections[] = {section};
	range.first = first;
	range.last = last;
	request.session = session;
	request.folder = folder;
	request.uids = ranges;
	request.n_uids = 1;
	request.items = items;
	request.sections = sections;
	request.n_sections = section != NULL;
	return fetch_rows(h, &request, f);
}

/* BODY[] of one message is raw. */
static UNUSED void assert_body(struct harness *h, uint64_t session, uint64_t folder, uint32_t uid,
                               struct str raw)
{
	Pk__Section section = PK__SECTION__INIT;
	struct fetched *f = mem_new(sizeof(*f));
	assert_int_equal(fetch_uids(h, session, folder, uid, uid, 0, &section, f), 0);
	assert_int_equal(f->body.len, raw.len);
	assert_int_equal(raw.len == 0 ? 0 : memcmp(f->body.ptr, raw.ptr, raw.len), 0);
	fetched_done(f);
	free(f);
}

/* Deep verification finds nothing; returns the number of messages. */
static UNUSED uint64_t assert_verified(struct harness *h, struct owner *owner)
{
	Pk__VerifyRequest request = PK__VERIFY_REQUEST__INIT;
	request.mailbox = owner->mailbox;
	request.mailbox_secret = bytes_from(owner->secret.bytes, KEY_SIZE);
	request.key_record = bytes_from(owner->record.ptr, owner->record.len);
	request.deep = true;
	int error;
	Pk__VerifyReply *reply = CALL(h, VERIFY, request, verify_reply, &error);
	assert_int_equal(error, 0);
	for (size_t i = 0; i < reply->n_findings; i++)
		print_message("finding: %s\n", reply->findings[i]);
	assert_true(reply->ok);
	uint64_t messages = reply->messages;
	FREE(reply);
	return messages;
}

static UNUSED void assert_sound(struct harness *h, struct owner *owner, uint64_t messages)
{
	assert_int_equal(assert_verified(h, owner), messages);
}
