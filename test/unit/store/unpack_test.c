#include "harness.h"

#include <dlfcn.h>
#include <pthread.h>

/*
 * What a peer may make as long as it likes is unpacked by a worker: the loop answers others meanwhile. Here
 * protobuf-c is held up in the middle of that.
 */

enum { LONG = 20000 /* bytes, at least */ };

/* ---------------------------------------------------------------- a gate in protobuf-c */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	pthread_t loop;
	const ProtobufCMessageDescriptor *type; /* NULL: everything passes */
	bool open;
	int inside, passed, in_loop;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};

ProtobufCMessage *protobuf_c_message_unpack(const ProtobufCMessageDescriptor *type,
                                            ProtobufCAllocator *allocator, size_t len,
                                            const uint8_t *data)
{
	ProtobufCMessage *(*unpack)(const ProtobufCMessageDescriptor *, ProtobufCAllocator *, size_t,
	                            const uint8_t *);
	*(void **)&unpack = dlsym(RTLD_NEXT, "protobuf_c_message_unpack");
	pthread_mutex_lock(&gate.lock);
	if (type == gate.type && len >= LONG) {
		gate.in_loop += pthread_equal(pthread_self(), gate.loop) != 0;
		gate.inside++;
		while (!gate.open && !pthread_equal(pthread_self(), gate.loop))
			pthread_cond_wait(&gate.moved, &gate.lock);
		gate.inside--;
		gate.passed++;
	}
	pthread_mutex_unlock(&gate.lock);
	return unpack(type, allocator, len, data);
}

static void shut_gate(const ProtobufCMessageDescriptor *type)
{
	pthread_mutex_lock(&gate.lock);
	gate.loop = pthread_self();
	gate.type = type;
	gate.open = false;
	gate.passed = gate.in_loop = 0;
	pthread_mutex_unlock(&gate.lock);
}

static void open_gate(void)
{
	pthread_mutex_lock(&gate.lock);
	gate.open = true;
	pthread_cond_broadcast(&gate.moved);
	pthread_mutex_unlock(&gate.lock);
}

static int count_of(const int *count)
{
	pthread_mutex_lock(&gate.lock);
	int now = *count;
	pthread_mutex_unlock(&gate.lock);
	return now;
}

/* ---------------------------------------------------------------- long requests */

struct asked {
	struct link_call *call;
	bool done;
	int error;
	char text[128];
};

static void on_reply(void *ctx, int error, struct str text, struct str body)
{
	struct asked *asked = ctx;
	(void)body;
	asked->done = true;
	asked->error = error;
	snprintf(asked->text, sizeof(asked->text), "%.*s", (int)text.len, text.ptr);
}

static void drop_chunk(void *ctx, struct link_call *call, struct str body)
{
	(void)ctx;
	link_call_grant(call, body.len);
}

static void ask(struct harness *h, struct asked *asked, uint32_t method,
                const ProtobufCMessage *body, struct str upload)
{
	*asked = (struct asked){0};
	asked->call = link_call(h->link, &(struct link_request){.method = method,
	                                                        .body = body,
	                                                        .kind = LINK_ONCE,
	                                                        .upload = upload,
	                                                        .ctx = asked,
	                                                        .chunk = drop_chunk,
	                                                        .reply = on_reply});
}

struct many {
	Pk__UidRange ranges[LONG / 6];
	Pk__UidRange *pointers[LONG / 6];
};

static void many_new(struct many *many)
{
	for (size_t i = 0; i < ARRAY_LEN(many->ranges); i++) {
		pk__uid_range__init(&many->ranges[i]);
		many->ranges[i].first = many->ranges[i].last = (uint32_t)i + 1;
		many->pointers[i] = &many->ranges[i];
	}
}

struct rig {
	struct harness *h;
	struct owner owner, other;
	uint64_t session, folder, other_session;
	struct many many;
};

static const struct str raw = STR("Subject: hi\r\n\r\nthere\r\n");

static int set_up(void **state)
{
	struct rig *rig = mem_new(sizeof(*rig));
	void *harness = NULL;
	harness_setup(&harness);
	rig->h = harness;
	create_mailbox(rig->h, &rig->owner);
	create_mailbox(rig->h, &rig->other);
	rig->session = open_session(rig->h, &rig->owner);
	rig->other_session = open_session(rig->h, &rig->other);
	for (int i = 0; i < 3; i++)
		append(rig->h, rig->session, "INBOX", raw, NULL);
	rig->folder = folder_id(rig->h, rig->session, "INBOX");
	many_new(&rig->many);
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;
	open_gate();
	void *harness = rig->h;
	harness_teardown(&harness);
	owner_done(&rig->owner);
	owner_done(&rig->other);
	free(rig);
	return 0;
}

/* Another mailbox's, which needs a worker, and one that the loop answers by itself. */
static void assert_others_are_served(struct rig *rig)
{
	Pk__SessionRequest list = PK__SESSION_REQUEST__INIT;
	Pk__Empty empty = PK__EMPTY__INIT;
	int error;
	list.session = rig->other_session;
	Pk__FolderListReply *folders = CALL(rig->h, FOLDER_LIST, list, folder_list_reply, &error);
	assert_int_equal(error, 0);
	FREE(folders);
	Pk__StatisticsReply *reply = CALL(rig->h, STATISTICS, empty, statistics_reply, &error);
	assert_int_equal(error, 0);
	FREE(reply);
}

static void assert_held(struct rig *rig, uint32_t method, const ProtobufCMessage *body,
                        struct str upload, int error)
{
	struct asked asked;
	shut_gate(body->descriptor);
	ask(rig->h, &asked, method, body, upload);
	WAIT_FOR(rig->h, count_of(&gate.inside) == 1 || asked.done);
	if (asked.done)
		fail_msg("method %u: %d %s", method, asked.error, asked.text);
	assert_others_are_served(rig);
	assert_false(asked.done);
	open_gate();
	WAIT_FOR(rig->h, asked.done);
	if (asked.error != error)
		print_error("method %u: %s\n", method, asked.text);
	assert_int_equal(asked.error, error);
	assert_int_equal(count_of(&gate.passed), 1);
	assert_int_equal(count_of(&gate.in_loop), 0);
}

static void long_sets_are_unpacked_beside_the_loop(void **state)
{
	struct rig *rig = *state;
#define LONG_SET(request, TYPE, kind)                \
	Pk__##kind request = PK__##TYPE##_REQUEST__INIT; \
	(request).session = rig->session;                \
	(request).folder = rig->folder;                  \
	(request).uids = rig->many.pointers;             \
	(request).n_uids = ARRAY_LEN(rig->many.pointers)
	LONG_SET(fetch, FETCH, FetchRequest);
	assert_held(rig, PK__STORE_METHOD__STORE_FETCH, &fetch.base, STR(""), 0);
	LONG_SET(store, STORE, StoreRequest);
	store.operation = PK__STORE_REQUEST__OPERATION__ADD;
	store.flags = PK__FLAG__FLAG_FLAGGED;
	assert_held(rig, PK__STORE_METHOD__STORE_STORE, &store.base, STR(""), 0);
	LONG_SET(copy, COPY, CopyRequest);
	copy.to = text_from("Trash");
	copy.copy_id = bytes_from("0123456789abcdef", 16);
	assert_held(rig, PK__STORE_METHOD__STORE_COPY, &copy.base, STR(""), 0);
	LONG_SET(expunge, EXPUNGE, ExpungeRequest);
	assert_held(rig, PK__STORE_METHOD__STORE_EXPUNGE, &expunge.base, STR(""), 0);
	Pk__SearchKey key = PK__SEARCH_KEY__INIT;
	key.type = PK__SEARCH_KEY__TYPE__UIDS;
	key.uids = rig->many.pointers;
	key.n_uids = ARRAY_LEN(rig->many.pointers);
	Pk__SearchRequest search = PK__SEARCH_REQUEST__INIT;
	search.session = rig->session;
	search.folder = rig->folder;
	search.key = &key;
	assert_held(rig, PK__STORE_METHOD__STORE_SEARCH, &search.base, STR(""), 0);
}

static void long_descriptions_are_unpacked_beside_the_loop(void **state)
{
	struct rig *rig = *state;
	struct described d;
	char text[LONG] = {0};
	memset(text, 'x', sizeof(text));
	describe(&d, raw);
	d.description.search_text = bytes_from(text, sizeof(text));
	Pk__AppendRequest append = PK__APPEND_REQUEST__INIT;
	append.session = rig->session;
	append.name = text_from("INBOX");
	append.description = &d.description;
	assert_held(rig, PK__STORE_METHOD__STORE_APPEND, &append.base, raw, 0);
	Pk__DeliverTarget target = PK__DELIVER_TARGET__INIT, *targets[] = {&target};
	Pk__DeliverRequest deliver = PK__DELIVER_REQUEST__INIT;
	target.mailbox = rig->owner.mailbox;
	target.public_key = bytes_from(rig->owner.public_key, SEAL_PUBLIC_SIZE);
	target.delivery_id = bytes_from("0123456789abcdef", 16);
	deliver.targets = targets;
	deliver.n_targets = 1;
	deliver.description = &d.description;
	assert_held(rig, PK__STORE_METHOD__STORE_DELIVER, &deliver.base, raw, 0);
	deliver.n_targets = 0;
	assert_held(rig, PK__STORE_METHOD__STORE_DELIVER, &deliver.base, raw, E_INVALID);
	assert_sound(rig->h, &rig->owner, 5);
}

/* One mailbox's requests go on in their order, and what nobody waits for any more is not unpacked at all. */
static void order_and_cancelling(void **state)
{
	struct rig *rig = *state;
	struct asked first, second, cancelled;
	Pk__StoreRequest store = PK__STORE_REQUEST__INIT;
	store.session = rig->session;
	store.folder = rig->folder;
	store.uids = rig->many.pointers;
	store.n_uids = ARRAY_LEN(rig->many.pointers);
	store.flags = PK__FLAG__FLAG_ANSWERED;
	shut_gate(store.base.descriptor);
	ask(rig->h, &first, PK__STORE_METHOD__STORE_STORE, &store.base, STR(""));
	WAIT_FOR(rig->h, count_of(&gate.inside) == 1);
	ask(rig->h, &cancelled, PK__STORE_METHOD__STORE_STORE, &store.base, STR(""));
	store.n_uids = 1;
	store.flags = PK__FLAG__FLAG_SEEN;
	ask(rig->h, &second, PK__STORE_METHOD__STORE_STORE, &store.base, STR(""));
	link_call_cancel(cancelled.call);
	assert_others_are_served(rig); /* so that has come, too */
	assert_false(first.done || second.done);
	open_gate();
	WAIT_FOR(rig->h, first.done && second.done);
	assert_int_equal(first.error, 0);
	assert_int_equal(second.error, 0);
	assert_false(cancelled.done);
	assert_int_equal(count_of(&gate.passed), 1);
	struct fetched *f = mem_new(sizeof(*f));
	assert_int_equal(fetch_uids(rig->h, rig->session, rig->folder, 1, 3, 0, NULL, f), 0);
	assert_int_equal(f->count, 3);
	assert_int_equal(f->rows[0]->flags, PK__FLAG__FLAG_SEEN);
	assert_int_equal(f->rows[1]->flags, PK__FLAG__FLAG_ANSWERED);
	fetched_done(f);
	free(f);
}

/* Its session has ended when it is unpacked; the store stops while a delivery is. */
static void what_ends_meanwhile(void **state)
{
	struct rig *rig = *state;
	struct asked asked;
	Pk__FetchRequest fetch = PK__FETCH_REQUEST__INIT;
	fetch.session = rig->session;
	fetch.folder = rig->folder;
	fetch.uids = rig->many.pointers;
	fetch.n_uids = ARRAY_LEN(rig->many.pointers);
	shut_gate(fetch.base.descriptor);
	ask(rig->h, &asked, PK__STORE_METHOD__STORE_FETCH, &fetch.base, STR(""));
	WAIT_FOR(rig->h, count_of(&gate.inside) == 1);
	close_session(rig->h, rig->session);
	open_gate();
	WAIT_FOR(rig->h, asked.done);

	struct described d;
	char text[LONG] = {0};
	describe(&d, raw);
	d.description.search_text = bytes_from(text, sizeof(text));
	Pk__DeliverTarget target = PK__DELIVER_TARGET__INIT, *targets[] = {&target};
	Pk__DeliverRequest deliver = PK__DELIVER_REQUEST__INIT;
	target.mailbox = rig->owner.mailbox;
	target.public_key = bytes_from(rig->owner.public_key, SEAL_PUBLIC_SIZE);
	target.delivery_id = bytes_from("0123456789abcdef", 16);
	deliver.targets = targets;
	deliver.n_targets = 1;
	deliver.description = &d.description;
	shut_gate(deliver.base.descriptor);
	ask(rig->h, &asked, PK__STORE_METHOD__STORE_DELIVER, &deliver.base, raw);
	WAIT_FOR(rig->h, count_of(&gate.inside) == 1);
	rig->h->stopped = false;
	store_stop(rig->h->store, harness_stopped, rig->h);
	loop_run_once(rig->h->loop, 0);
	assert_false(rig->h->stopped);
	open_gate();
	WAIT_FOR(rig->h, asked.done && rig->h->stopped);
	assert_int_equal(asked.error, 0);
}

/* A session that is not named first, or of which there are two; what is never long. */
static void what_is_refused(void **state)
{
	struct rig *rig = *state;
	struct asked asked;
	Pk__FetchRequest fetch = PK__FETCH_REQUEST__INIT;
	fetch.folder = rig->folder;
	fetch.uids = rig->many.pointers;
	fetch.n_uids = ARRAY_LEN(rig->many.pointers);
	ask(rig->h, &asked, PK__STORE_METHOD__STORE_FETCH, &fetch.base, STR(""));
	WAIT_FOR(rig->h, asked.done);
	assert_int_equal(asked.error, E_INVALID);
	fetch.session = 12345;
	ask(rig->h, &asked, PK__STORE_METHOD__STORE_FETCH, &fetch.base, STR(""));
	WAIT_FOR(rig->h, asked.done);
	assert_int_equal(asked.error, E_STALE);
	/* protobuf-c packs what it does not know last: another session, of another mailbox. */
	uint8_t other[10];
	size_t len = 0;
	for (uint64_t rest = rig->other_session; rest > 0; rest >>= 7)
		other[len++] = (uint8_t)(0x80 | rest);
	other[len - 1] &= 0x7f;
	ProtobufCMessageUnknownField again = {
		.tag = 1, .wire_type = PROTOBUF_C_WIRE_TYPE_VARINT, .len = len, .data = other};
	fetch.session = rig->session;
	fetch.base.unknown_fields = &again;
	fetch.base.n_unknown_fields = 1;
	ask(rig->h, &asked, PK__STORE_METHOD__STORE_FETCH, &fetch.base, STR(""));
	WAIT_FOR(rig->h, asked.done);
	assert_int_equal(asked.error, E_INVALID);
	assert_string_equal(asked.text, "the request names two sessions");
	/* Beyond what any set of messages has. */
	fetch.base.n_unknown_fields = 0;
	size_t count = 100001; /* each a value of a list and a message */
	Pk__UidRange **pointers = mem_new_array(count, sizeof(*pointers));
	for (size_t i = 0; i < count; i++)
		pointers[i] = &rig->many.ranges[0];
	fetch.uids = pointers;
	fetch.n_uids = count;
	ask(rig->h, &asked, PK__STORE_METHOD__STORE_FETCH, &fetch.base, STR(""));
	WAIT_FOR(rig->h, asked.done);
	assert_int_equal(asked.error, E_INVALID);
	free(pointers);

	char *name = mem_new(300 * 1024 + 1);
	memset(name, 'n', 300 * 1024);
	Pk__FolderNameRequest folder = PK__FOLDER_NAME_REQUEST__INIT;
	folder.session = rig->session;
	folder.name = name;
	ask(rig->h, &asked, PK__STORE_METHOD__STORE_FOLDER_STATUS, &folder.base, STR(""));
	WAIT_FOR(rig->h, asked.done);
	assert_int_equal(asked.error, E_TOO_LARGE);
	free(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(long_sets_are_unpacked_beside_the_loop, set_up, tear_down),
		cmocka_unit_test_setup_teardown(long_descriptions_are_unpacked_beside_the_loop, set_up,
	                                    tear_down),
		cmocka_unit_test_setup_teardown(order_and_cancelling, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_ends_meanwhile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_refused, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
