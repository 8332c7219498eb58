/*
 * Fronts that have been taken over: this is the service itself, but for the second process of each
 * kind of front, which does not serve clients. It stands in the place of a front, with the front's user,
 * sandbox and links, and does what it likes, to get at a mailbox for which it has no session, or out.
 *
 * It says "ROGUE" to whoever connects to its port, and then does what the first line says; prints TAP.
 *
 *     attack VICTIM-MAILBOX OWN-ADDRESS VICTIM-ADDRESS OWN-PASSWORD
 *     break-out NAME
 *     forge
 *     crowd
 *     insist
 *
 * A rogue front may well have users of its own, and with them it proves that its requests are right in
 * all but the right to make them.
 */

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "crypto/secret.h"
#include "imap/imap.h"
#include "main/handoff.h"
#include "main/kinds.h"
#include "net/core_link.h"
#include "smtp/smtp.h"

#include "directory.pb-c.h"
#include "store.pb-c.h"
#include "rogue_lies.h"

enum { SESSIONS_GUESSED = 8 };

int __real_imap_run(struct role *role);
int __real_smtp_run(struct role *role);
int __wrap_imap_run(struct role *role);
int __wrap_smtp_run(struct role *role);

struct rogue {
	struct role *role;
	struct loop *loop;
	int client;
	int port; /* that it listens on */
	bool stopped;
	struct link *store;
	struct link *directory;
	char *victim; /* mailbox id */
	char *victim_address;
	char *own_address;
	char *own_password;
	Pk__LoginReply *own;
	uint64_t own_session;
	int number;
	int failed;
};

static void result(struct rogue *r, bool good, const char *name, int error)
{
	r->number++;
	r->failed += !good;
	dprintf(r->client, "%s %d - %s (%s)\n", good ? "ok" : "not ok", r->number, name,
	        err_name(error));
}

static int call(struct rogue *r, struct link *link, uint32_t method, const ProtobufCMessage *body,
                struct str upload, struct buf *reply)
{
	struct errinfo info = {0};
	struct link_request request = {
		.method = method,
		.body = body,
		.kind = LINK_ONCE,
		.deadline_ms = 10000,
		.upload = upload,
	};
	return link_call_wait(link, r->loop, &request, reply, &info);
}

/* The request must be refused, with nothing in the answer. A core may also end such a link: then the
 * next request waits until it is connected again. */
static void refused(struct rogue *r, const char *name, struct link *link, uint32_t method,
                    const ProtobufCMessage *body, struct str upload)
{
	struct buf reply BUF_AUTO;
	buf_init(&reply, LINK_MESSAGE_MAX);
	int rc = call(r, link, method, body, upload, &reply);
	result(r, rc != 0 && rc != E_TIMEOUT && reply.len == 0, name, rc);
}

#define PACK(message) (&(message).base)
#define NOTHING       STR("")

static void refused_sessions(struct rogue *r, const char *what, uint64_t session)
{
	static const char *const names[] = {"select", "list",   "fetch",   "search", "changes",
	                                    "store",  "copy",   "expunge", "close",  "status",
	                                    "append", "create", "delete",  "rename"};
	Pk__UidRange all = PK__UID_RANGE__INIT;
	all.first = 1;
	all.last = UINT32_MAX;
	Pk__UidRange *ranges[] = {&all};
	Pk__Section section = PK__SECTION__INIT;
	Pk__Section *sections[] = {&section};

	Pk__SelectRequest select = PK__SELECT_REQUEST__INIT;
	select.session = session;
	select.name = (char *)"INBOX";
	Pk__SessionRequest plain = PK__SESSION_REQUEST__INIT;
	plain.session = session;
	Pk__FetchRequest fetch = PK__FETCH_REQUEST__INIT;
	fetch.session = session;
	fetch.folder = 1;
	fetch.n_uids = 1;
	fetch.uids = ranges;
	fetch.items = UINT32_MAX;
	fetch.n_sections = 1;
	fetch.sections = sections;
	Pk__SearchKey key = PK__SEARCH_KEY__INIT;
	Pk__SearchRequest search = PK__SEARCH_REQUEST__INIT;
	search.session = session;
	search.folder = 1;
	search.key = &key;
	Pk__ChangesRequest changes = PK__CHANGES_REQUEST__INIT;
	changes.session = session;
	changes.folder = 1;
	Pk__StoreRequest store = PK__STORE_REQUEST__INIT;
	store.session = session;
	store.folder = 1;
	store.n_uids = 1;
	store.uids = ranges;
	Pk__CopyRequest copy = PK__COPY_REQUEST__INIT;
	copy.session = session;
	copy.folder = 1;
	copy.n_uids = 1;
	copy.uids = ranges;
	copy.to = (char *)"Archive";
	Pk__ExpungeRequest expunge = PK__EXPUNGE_REQUEST__INIT;
	expunge.session = session;
	expunge.folder = 1;
	expunge.all = true;
	Pk__FolderNameRequest name = PK__FOLDER_NAME_REQUEST__INIT;
	name.session = session;
	name.name = (char *)"INBOX";
	Pk__Description description = PK__DESCRIPTION__INIT;
	Pk__AppendRequest append = PK__APPEND_REQUEST__INIT;
	append.session = session;
	append.name = (char *)"INBOX";
	append.description = &description;
	Pk__FolderCreateRequest create = PK__FOLDER_CREATE_REQUEST__INIT;
	create.session = session;
	create.name = (char *)"Rogue";
	Pk__FolderRenameRequest rename = PK__FOLDER_RENAME_REQUEST__INIT;
	rename.session = session;
	rename.from = (char *)"INBOX";
	rename.to = (char *)"Rogue";
	const struct {
		uint32_t method;
		const ProtobufCMessage *body;
	} requests[] = {
		{PK__STORE_METHOD__STORE_SELECT, PACK(select)},
		{PK__STORE_METHOD__STORE_FOLDER_LIST, PACK(plain)},
		{PK__STORE_METHOD__STORE_FETCH, PACK(fetch)},
		{PK__STORE_METHOD__STORE_SEARCH, PACK(search)},
		{PK__STORE_METHOD__STORE_CHANGES, PACK(changes)},
		{PK__STORE_METHOD__STORE_STORE, PACK(store)},
		{PK__STORE_METHOD__STORE_COPY, PACK(copy)},
		{PK__STORE_METHOD__STORE_EXPUNGE, PACK(expunge)},
		{PK__STORE_METHOD__STORE_CLOSE, PACK(plain)},
		{PK__STORE_METHOD__STORE_FOLDER_STATUS, PACK(name)},
		{PK__STORE_METHOD__STORE_APPEND, PACK(append)},
		{PK__STORE_METHOD__STORE_FOLDER_CREATE, PACK(create)},
		{PK__STORE_METHOD__STORE_FOLDER_DELETE, PACK(name)},
		{PK__STORE_METHOD__STORE_FOLDER_RENAME, PACK(rename)},
	};
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		char text[100];
		snprintf(text, sizeof(text), "%s with %s", names[i], what);
		struct str upload = requests[i].body == PACK(append) ? STR("Subject: x\r\n\r\n") : NOTHING;
		refused(r, text, r->store, requests[i].method, requests[i].body, upload);
	}
}

static Pk__OpenRequest open_request(struct rogue *r, char *mailbox)
{
	Pk__OpenRequest open = PK__OPEN_REQUEST__INIT;
	open.mailbox = mailbox;
	open.service = (char *)"imap";
	open.mailbox_secret = r->own->mailbox_secret;
	open.key_record = r->own->key_record;
	return open;
}

static bool open_own(struct rogue *r)
{
	struct buf reply BUF_AUTO;
	buf_init(&reply, LINK_MESSAGE_MAX);
	Pk__OpenRequest open = open_request(r, r->own->mailbox);
	int rc = call(r, r->store, PK__STORE_METHOD__STORE_OPEN, PACK(open), NOTHING, &reply);
	Pk__OpenReply *opened = rc != 0 ? NULL
	                                : (Pk__OpenReply *)link_unpack(&pk__open_reply__descriptor,
	                                                               buf_str(&reply), WIRE_ITEMS_FEW);
	if (opened != NULL) {
		r->own_session = opened->session;
		pk__open_reply__free_unpacked(opened, NULL);
	}
	return opened != NULL;
}

/* Words that another front would write to a client as they are. */
static void refused_words(struct rogue *r)
{
	char word[] = "x)\r\n* BYE", use[] = "\\Sent)\r\n* BYE", *keywords[] = {word};
	Pk__FolderCreateRequest create = PK__FOLDER_CREATE_REQUEST__INIT;
	create.session = r->own_session;
	create.name = word;
	refused(r, "a folder whose name ends a line", r->store, PK__STORE_METHOD__STORE_FOLDER_CREATE,
	        PACK(create), NOTHING);
	create.name = (char *)"Fine";
	create.special_use = use;
	refused(r, "a special use that ends a line", r->store, PK__STORE_METHOD__STORE_FOLDER_CREATE,
	        PACK(create), NOTHING);
	Pk__FolderSubscribeRequest subscribe = PK__FOLDER_SUBSCRIBE_REQUEST__INIT;
	subscribe.session = r->own_session;
	subscribe.name = word;
	subscribe.subscribed = true;
	refused(r, "a subscription that ends a line", r->store,
	        PK__STORE_METHOD__STORE_FOLDER_SUBSCRIBE, PACK(subscribe), NOTHING);
	Pk__Part part = PK__PART__INIT, *parts[] = {&part};
	Pk__Description description = PK__DESCRIPTION__INIT;
	description.parts = parts;
	description.n_parts = 1;
	Pk__AppendRequest append = PK__APPEND_REQUEST__INIT;
	append.session = r->own_session;
	append.name = (char *)"INBOX";
	append.description = &description;
	append.keywords = keywords;
	append.n_keywords = 1;
	refused(r, "a keyword that ends a line", r->store, PK__STORE_METHOD__STORE_APPEND, PACK(append),
	        STR("Subject: x\r\n\r\n"));
}

static void rogue_imap(struct rogue *r)
{
	result(r, open_own(r), "its own user's mailbox opens, so the requests are well made", 0);
	refused_words(r);
	for (uint64_t guess = 0; guess < SESSIONS_GUESSED; guess++) {
		uint64_t session = guess < 4 ? r->own_session + guess + 1 : UINT64_C(1) << (guess * 8);
		char what[60];
		snprintf(what, sizeof(what), "guessed session +%llu", (unsigned long long)guess);
		refused_sessions(r, what, session);
	}
	Pk__OpenRequest open = open_request(r, r->victim);
	refused(r, "open with its own secret and record", r->store, PK__STORE_METHOD__STORE_OPEN,
	        PACK(open), NOTHING);
	unsigned char zero[KEY_SIZE] = {0};
	open.mailbox_secret = (ProtobufCBinaryData){sizeof(zero), zero};
	refused(r, "open with a secret of zeros", r->store, PK__STORE_METHOD__STORE_OPEN, PACK(open),
	        NOTHING);
	open.mailbox_secret = (ProtobufCBinaryData){0, NULL};
	open.key_record = (ProtobufCBinaryData){0, NULL};
	refused(r, "open with nothing", r->store, PK__STORE_METHOD__STORE_OPEN, PACK(open), NOTHING);
	open.mailbox = (char *)"../../../../etc/passwd00";
	refused(r, "open with a path for an id", r->store, PK__STORE_METHOD__STORE_OPEN, PACK(open),
	        NOTHING);

	Pk__KeyRecordRequest record = PK__KEY_RECORD_REQUEST__INIT;
	record.mailbox = r->victim;
	record.mailbox_secret = r->own->mailbox_secret;
	refused(r, "key record with its own secret", r->directory,
	        PK__DIRECTORY_METHOD__DIRECTORY_KEY_RECORD, PACK(record), NOTHING);
	Pk__KeyRecordSetRequest set = PK__KEY_RECORD_SET_REQUEST__INIT;
	set.mailbox = r->victim;
	set.mailbox_secret = r->own->mailbox_secret;
	set.key_record = r->own->key_record;
	set.replaces = r->own->key_record;
	refused(r, "set the key record with its own secret", r->directory,
	        PK__DIRECTORY_METHOD__DIRECTORY_KEY_RECORD_SET, PACK(set), NOTHING);
}

/* Methods of others are refused for what we are, before anybody looks at the request. */
static void refused_for_role(struct rogue *r, struct link *link, uint32_t first, uint32_t last)
{
	for (uint32_t method = first; method <= last; method++) {
		char name[40];
		struct buf reply BUF_AUTO;
		buf_init(&reply, LINK_MESSAGE_MAX);
		Pk__SessionRequest nothing = PK__SESSION_REQUEST__INIT;
		int rc = call(r, link, method, PACK(nothing), NOTHING, &reply);
		snprintf(name, sizeof(name), "method %u of %s", method,
		         link == r->store ? "store" : "directory");
		result(r, rc == E_DENIED && reply.len == 0, name, rc);
	}
}

/* What only the command line may do, whatever the front's role, and what only a store. */
static void rogue_administration(struct rogue *r)
{
	refused_for_role(r, r->store, PK__STORE_METHOD__STORE_CREATE, PK__STORE_METHOD__STORE_HOLD);
	refused_for_role(r, r->directory, PK__DIRECTORY_METHOD__DIRECTORY_MAILBOX_STATE_GET,
	                 PK__DIRECTORY_METHOD__DIRECTORY_MAILBOX_STATE_SET);
	refused_for_role(r, r->directory, PK__DIRECTORY_METHOD__DIRECTORY_DOMAIN_ADD,
	                 PK__DIRECTORY_METHOD__DIRECTORY_MAILBOX_ACCEPT);
	Pk__CreateRequest create = PK__CREATE_REQUEST__INIT;
	create.mailbox = r->victim;
	create.mailbox_secret = r->own->mailbox_secret;
	create.key_record = r->own->key_record;
	refused(r, "create over the victim", r->store, PK__STORE_METHOD__STORE_CREATE, PACK(create),
	        NOTHING);
	Pk__RekeyRequest rekey = PK__REKEY_REQUEST__INIT;
	rekey.mailbox = r->victim;
	rekey.mailbox_secret = r->own->mailbox_secret;
	rekey.key_record = r->own->key_record;
	refused(r, "re-key the victim", r->store, PK__STORE_METHOD__STORE_REKEY, PACK(rekey), NOTHING);
	Pk__MailboxRequest remove_request = PK__MAILBOX_REQUEST__INIT;
	remove_request.mailbox = r->victim;
	refused(r, "remove the victim", r->store, PK__STORE_METHOD__STORE_REMOVE, PACK(remove_request),
	        NOTHING);
	Pk__AliasRequest alias = PK__ALIAS_REQUEST__INIT;
	alias.address = r->victim_address;
	refused(r, "list the victim's passwords", r->directory,
	        PK__DIRECTORY_METHOD__DIRECTORY_PASSWORD_LIST, PACK(alias), NOTHING);
	refused(r, "remove the victim's alias", r->directory,
	        PK__DIRECTORY_METHOD__DIRECTORY_ALIAS_REMOVE, PACK(alias), NOTHING);
	Pk__PasswordCreateRequest password = PK__PASSWORD_CREATE_REQUEST__INIT;
	password.address = r->victim_address;
	refused(r, "a password for the victim", r->directory,
	        PK__DIRECTORY_METHOD__DIRECTORY_PASSWORD_CREATE, PACK(password), NOTHING);
	Pk__MailboxPublishRequest publish = PK__MAILBOX_PUBLISH_REQUEST__INIT;
	publish.mailbox = r->victim;
	publish.mailbox_secret = r->own->mailbox_secret;
	publish.public_key = r->own->public_key;
	refused(r, "publish its own key for the victim", r->directory,
	        PK__DIRECTORY_METHOD__DIRECTORY_MAILBOX_PUBLISH, PACK(publish), NOTHING);
}

static void rogue_smtp(struct rogue *r)
{
	Pk__OpenRequest open = open_request(r, r->own->mailbox);
	refused(r, "smtp opens a mailbox, even with its right secret", r->store,
	        PK__STORE_METHOD__STORE_OPEN, PACK(open), NOTHING);
	refused_sessions(r, "no session, as smtp", 1);
}

/* ---------------------------------------------------------------- slander */

static int deliver_lies(struct rogue *r, const Pk__ResolveReply *victim, struct str lie, int way)
{
	struct buf envelope BUF_AUTO, structure BUF_AUTO, reply BUF_AUTO;
	buf_init(&envelope, 100000);
	buf_init(&structure, 100000);
	buf_init(&reply, LINK_MESSAGE_MAX);
	Pk__Part part = PK__PART__INIT, *parts[] = {&part};
	Pk__Description d = PK__DESCRIPTION__INIT;
	char text[100], *references[] = {text};
	snprintf(text, sizeof(text), "%.*s", STR_ARG(lie));
	part.media_type = part.file_name = text;
	d.subject = d.base_subject = d.message_id = d.in_reply_to = d.preview = text;
	d.from = d.to = d.cc = d.bcc = d.sort_from = d.sort_to = d.sort_cc = text;
	d.references = references;
	d.n_references = 1;
	d.parts = parts;
	d.n_parts = 1;
	d.search_header = d.search_text = bytes_of(lie);
	if (way == 0)
		pack_lies(lie, &envelope, &structure);
	if (way == 2)
		buf_addf(&envelope, "(NIL \"%s\" NIL NIL NIL NIL NIL NIL NIL NIL)", text);
	if (way == 2)
		buf_addf(&structure, "(\"a\" \"%s\" NIL NIL NIL \"7bit\" 1 NIL NIL NIL NIL)", text);
	if (way == 1 || way == 3) {
		buf_add_str(&envelope, lie);
		buf_add_str(&structure, lie);
	}
	*(way < 2 ? &d.envelope : &d.rendered_envelope) = bytes_of(buf_str(&envelope));
	*(way < 2 ? &d.body_structure : &d.rendered_body_structure) = bytes_of(buf_str(&structure));
	unsigned char id[16];
	random_bytes(id, sizeof(id));
	Pk__DeliverTarget target = PK__DELIVER_TARGET__INIT, *targets[] = {&target};
	target.mailbox = victim->mailbox;
	target.public_key = victim->public_key;
	target.delivery_id = (ProtobufCBinaryData){sizeof(id), id};
	target.folder = text;
	Pk__DeliverRequest deliver = PK__DELIVER_REQUEST__INIT;
	deliver.targets = targets;
	deliver.n_targets = 1;
	deliver.description = &d;
	int rc = call(r, r->store, PK__STORE_METHOD__STORE_DELIVER, PACK(deliver),
	              STR("Subject: x\r\n\r\ny\r\n"), &reply);
	Pk__DeliverReply *said = rc != 0
	                             ? NULL
	                             : (Pk__DeliverReply *)link_unpack(&pk__deliver_reply__descriptor,
	                                                               buf_str(&reply), WIRE_ITEMS_FEW);
	if (said != NULL)
		rc = said->n_results == 1 ? said->results[0]->error : E_INVALID;
	protobuf_c_message_free_unpacked((ProtobufCMessage *)said, NULL);
	return rc;
}

/* Mail to the victim whose description lies in each of the ways there are. */
static void slander(struct rogue *r)
{
	struct buf reply BUF_AUTO;
	buf_init(&reply, LINK_MESSAGE_MAX);
	Pk__ResolveRequest request = PK__RESOLVE_REQUEST__INIT;
	request.address = r->victim_address;
	int rc = call(r, r->directory, PK__DIRECTORY_METHOD__DIRECTORY_RESOLVE, PACK(request), NOTHING,
	              &reply);
	Pk__ResolveReply *victim = rc != 0
	                               ? NULL
	                               : (Pk__ResolveReply *)link_unpack(&pk__resolve_reply__descriptor,
	                                                                 buf_str(&reply),
	                                                                 WIRE_ITEMS_FEW);
	result(r, victim != NULL, "asks who its victim is", rc);
	for (size_t i = 0; victim != NULL && i < ARRAY_LEN(lies); i++) {
		for (int way = 0; way < 4; way++) {
			char name[60];
			rc = deliver_lies(r, victim, lies[i], way);
			snprintf(name, sizeof(name), "lie %zu in way %d is %s", i, way,
			         rc == 0 ? "taken" : "refused");
			/* What is no message of structure.proto is not kept. */
			result(r, rc == 0 || (way == 1 && rc == E_INVALID), name, rc);
		}
	}
	if (victim != NULL)
		pk__resolve_reply__free_unpacked(victim, NULL);
}

/* Bytes that are no message at all, to every method there is and some that are not. */
static void rogue_garbage(struct rogue *r)
{
	static unsigned char junk[3000];
	int answered = 0, calls = 0;
	for (uint32_t method = 0; method < 130; method++) {
		random_bytes(junk, sizeof(junk));
		/* A message type whose field 1 is bytes: the packed form begins with a plausible tag. */
		Pk__PasswordReply carrier = PK__PASSWORD_REPLY__INIT;
		carrier.password = (ProtobufCBinaryData){method * 20, junk};
		carrier.address = (char *)"\xff\xfe not text \x01";
		for (int core = 0; core < 2; core++) {
			struct buf reply BUF_AUTO;
			buf_init(&reply, LINK_MESSAGE_MAX);
			int rc = call(r, core == 0 ? r->store : r->directory, method, PACK(carrier), NOTHING,
			              &reply);
			calls++;
			answered += rc != E_TIMEOUT;
		}
	}
	result(r, answered == calls, "every piece of garbage gets an answer or an end", 0);
}

static int login(struct rogue *r, const char *service)
{
	Pk__LoginRequest request = PK__LOGIN_REQUEST__INIT;
	request.address = r->own_address;
	request.password = (ProtobufCBinaryData){strlen(r->own_password), (uint8_t *)r->own_password};
	request.service = (char *)(uintptr_t)service;
	request.remote = (char *)"192.0.2.1";
	struct buf reply BUF_AUTO;
	buf_init(&reply, LINK_MESSAGE_MAX);
	int rc = call(r, r->directory, PK__DIRECTORY_METHOD__DIRECTORY_LOGIN, PACK(request), NOTHING,
	              &reply);
	if (rc == 0)
		r->own = (Pk__LoginReply *)link_unpack(&pk__login_reply__descriptor, buf_str(&reply),
		                                       WIRE_ITEMS_FEW);
	return rc;
}

static void attack(struct rogue *r)
{
	Pk__LoginReply nothing = PK__LOGIN_REPLY__INIT;
	int rc = login(r, "imap");
	if (strcmp(r->role->name, "imap") == 0) {
		result(r, rc == 0 && r->own != NULL, "logs in as its own user", rc);
		if (r->own == NULL)
			return;
		rogue_imap(r);
	} else {
		result(r, rc != 0, "smtp logs in for IMAP", rc);
		r->own = &nothing;
		rogue_smtp(r);
	}
	rogue_administration(r);
	rogue_garbage(r);
	if (r->own != &nothing)
		pk__login_reply__free_unpacked(r->own, NULL);
	r->own = NULL;
}

/* ---------------------------------------------------------------- out of the sandbox */

static void make_socket(int client, int port)
{
	(void)client;
	(void)port;
	(void)socket(AF_INET, SOCK_STREAM, 0);
}

static void unconnect(int client, int port)
{
	struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	(void)port;
	(void)connect(client, &nobody, sizeof(nobody));
}

static void fast_open(int client, int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	(void)port;
	(void)sendto(client, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof(to));
}

static void signal_another(int client, int port)
{
	(void)port;
	(void)fcntl(client, F_SETOWN, getppid());
}

/* The one that is started in our place gets the same socket. */
static void close_port(int client, int port)
{
	(void)client;
	(void)shutdown(port, SHUT_RDWR);
}

static bool ask_for(const char *kind)
{
	struct handoff_link question = {.role = kind_number(kind_find(str_from(kind)))};
	return handoff_send_link(HANDOFF_FD, HANDOFF_ASK, &question, -1, NULL) == 0;
}

/* A link to another front: the supervisor ends whoever wants one. */
static void ask_for_front(int client, int port)
{
	char byte;
	(void)client;
	(void)port;
	must(ask_for("smtp"));
	struct pollfd answer = {.fd = HANDOFF_FD, .events = POLLIN};
	while (poll(&answer, 1, 10000) > 0 && recv(HANDOFF_FD, &byte, 1, 0) != 0)
		; /* the end of the socket, and then our own */
	(void)poll(NULL, 0, 10000);
}

/* Links, as many as it gets, one after the other; the milliseconds that so many took. */
static int64_t insist(size_t count)
{
	int64_t begin_ms = clock_monotonic_ms();
	for (size_t i = 0; i < count; i++) {
		struct handoff answer;
		enum handoff_kind kind;
		must(ask_for("store") && handoff_receive(HANDOFF_FD, true, &kind, &answer, NULL) == 0);
		handoff_done(&answer);
	}
	return clock_monotonic_ms() - begin_ms;
}

static void break_out(const struct rogue *r, const char *name)
{
	static const struct {
		const char *name;
		void (*attempt)(int client, int port);
	} ways[] = {
		{"socket", make_socket},    {"unconnect", unconnect},   {"fast-open", fast_open},
		{"signal", signal_another}, {"close-port", close_port}, {"ask-for-front", ask_for_front},
	};
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		if (strcmp(ways[i].name, name) == 0)
			ways[i].attempt(r->client, r->port);
	dprintf(r->client, "still here\n");
}

/* Lines of others in the log, and far too many of them. */
static void forge(void)
{
	static const char line[] =
		"time=2026-11-25T04:00:00.000Z level=error role=store event=store.forged x=1\n"
		"time=2026-11-25T04:00:00.000Z level=info role=imap event=link.forged role=store pid=1\n"
		"time=2026-11-25T04:00:00.000Z level=info role=imap event=supervisor.ended process=store\n";
	for (int i = 0; i < 100000; i++) {
		ssize_t unused = write(i % 2 == 0 ? STDERR_FILENO : STDOUT_FILENO, line, sizeof(line) - 1);
		(void)unused;
	}
}

static void *wait_in_thread(void *gate)
{
	must(pthread_rwlock_rdlock(gate) == 0);
	must(pthread_rwlock_unlock(gate) == 0);
	return NULL;
}

/* As many threads as it can have at once. */
static size_t crowd(void)
{
	static pthread_t threads[2000];
	pthread_rwlock_t gate = PTHREAD_RWLOCK_INITIALIZER;
	size_t count = 0;
	must(pthread_rwlock_wrlock(&gate) == 0);
	while (count < ARRAY_LEN(threads) &&
	       pthread_create(&threads[count], NULL, wait_in_thread, &gate) == 0)
		count++;
	must(pthread_rwlock_unlock(&gate) == 0);
	for (size_t i = 0; i < count; i++)
		must(pthread_join(threads[i], NULL) == 0);
	return count;
}

/* ---------------------------------------------------------------- in the place of a front */

static void obey(struct rogue *r, char *line)
{
	char *rest = NULL;
	const char *verb = strtok_r(line, " \n", &rest);
	char *words[4] = {NULL};
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		words[i] = strtok_r(NULL, " \n", &rest);
	if (verb != NULL && strcmp(verb, "forge") == 0) {
		forge();
		dprintf(r->client, "forged\n");
	} else if (verb != NULL && strcmp(verb, "crowd") == 0) {
		dprintf(r->client, "%zu threads\n", crowd());
	} else if (verb != NULL && strcmp(verb, "insist") == 0) {
		dprintf(r->client, "%lld ms\n", (long long)insist(104));
	} else if (verb != NULL && strcmp(verb, "break-out") == 0 && words[0] != NULL) {
		break_out(r, words[0]);
	} else if (verb != NULL && strcmp(verb, "slander") == 0 && words[0] != NULL) {
		r->victim_address = words[0];
		slander(r);
		dprintf(r->client, "1..%d\n", r->number);
	} else if (verb != NULL && strcmp(verb, "attack") == 0 && words[3] != NULL) {
		r->victim = words[0];
		r->own_address = words[1];
		r->victim_address = words[2];
		r->own_password = words[3];
		attack(r);
		dprintf(r->client, "1..%d\n", r->number);
	}
}

/* One client: a line, and what comes of it. */
static void serve(struct rogue *r)
{
	char line[1000];
	size_t len = 0;
	dprintf(r->client, "ROGUE\r\n");
	struct pollfd readable = {.fd = r->client, .events = POLLIN};
	while (len < sizeof(line) - 1 && poll(&readable, 1, 10000) > 0) {
		ssize_t got = read(r->client, line + len, sizeof(line) - 1 - len);
		if (got <= 0)
			break;
		len += (size_t)got;
		if (line[len - 1] != '\n')
			continue;
		line[len] = '\0';
		obey(r, line);
		break;
	}
}

static void on_stop(void *ctx)
{
	struct rogue *r = ctx;
	r->stopped = true;
}

static int rogue_run(struct role *role, const char *socket)
{
	static const struct link_handlers handlers;
	struct rogue r = {.role = role, .loop = role->loop};
	struct errinfo info;
	r.port = role_socket(role, socket);
	must(core_link_new(&r.store, role, "store", &handlers, &info) == 0);
	must(core_link_new(&r.directory, role, "directory", &handlers, &info) == 0);
	role->on_stop = on_stop;
	role->ctx = &r;
	while (!r.stopped) {
		loop_run_once(role->loop, 10);
		r.client = accept(r.port, NULL, NULL);
		if (r.client < 0)
			continue;
		serve(&r);
		close(r.client);
	}
	link_free(r.store);
	link_free(r.directory);
	return 0;
}

int __wrap_imap_run(struct role *role)
{
	return role->index == 0 ? __real_imap_run(role) : rogue_run(role, "imap");
}

int __wrap_smtp_run(struct role *role)
{
	return role->index == 0 ? __real_smtp_run(role) : rogue_run(role, "smtp");
}
