#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/internal.h"
#include "store/refused.h"

/* What an operator wants to know: figures, sessions, files, mail that waits. All but the last are
 * answered in the loop's thread. */

enum {
	PEERS_MAX = 256,
	SESSIONS_PAGE = 1000,
	FILES_MAX = 16384, /* of one of the 256 folders: four million mailboxes */
};

/* ---------------------------------------------------------------- STATISTICS */

struct peers {
	Pk__LinkPeer rows[PEERS_MAX], *pointers[PEERS_MAX];
	size_t count;
	int64_t now_ms;
};

static bool add_peer(void *ctx, const struct link_peer_info *peer)
{
	struct peers *peers = ctx;
	Pk__LinkPeer *row = &peers->rows[peers->count];
	pk__link_peer__init(row);
	row->role = (char *)(uintptr_t)peer->role;
	row->address = (char *)(uintptr_t)peer->address;
	row->seconds = (uint64_t)(peers->now_ms - peer->since_ms) / 1000;
	peers->pointers[peers->count++] = row;
	return peers->count < PEERS_MAX;
}

static void fill_volumes(const struct space *space, Pk__Volume rows[SPACE_VOLUMES],
                         Pk__Volume *pointers[SPACE_VOLUMES])
{
	for (size_t i = 0; i < SPACE_VOLUMES; i++) {
		const struct volume *volume = &space->volumes[i];
		pk__volume__init(&rows[i]);
		rows[i].folder = (char *)(uintptr_t)volume->folder;
		rows[i].free_bytes = volume->free_bytes;
		rows[i].reserve_bytes = volume->reserve;
		rows[i].low = volume->low;
		rows[i].ballast_bytes = volume->ballast;
		rows[i].ballast_wanted = volume->ballast_wanted;
		pointers[i] = &rows[i];
	}
}

static uint32_t count_put_off(const struct store *store)
{
	const struct mailbox *mailbox;
	uint32_t count = 0;
	TAILQ_FOREACH (mailbox, &store->by_use, by_use)
		count += atomic_load(&mailbox->rekey_put_off) ? 1 : 0;
	return count;
}

static void answer_statistics(struct store *store, struct link_inbound *inbound,
                              const ProtobufCMessage *message)
{
	Pk__StatisticsReply reply = PK__STATISTICS_REPLY__INIT;
	struct peers peers = {.now_ms = clock_monotonic_ms()};
	(void)message;
	reply.mailboxes_open = atomic_load(&store->handles);
	reply.sessions = store->session_count;
	reply.deliveries = store->deliveries;
	reply.upload_bytes_held = store->upload_bytes_held;
	reply.seconds = (uint64_t)(peers.now_ms - store->start_ms) / 1000;
	link_inbound_each_peer(inbound, add_peer, &peers);
	reply.n_peers = peers.count;
	reply.peers = peers.pointers;
	Pk__Volume volumes[SPACE_VOLUMES], *volume_pointers[SPACE_VOLUMES];
	space_look(&store->space);
	fill_volumes(&store->space, volumes, volume_pointers);
	reply.n_volumes = SPACE_VOLUMES;
	reply.volumes = volume_pointers;
	reply.rekeys_put_off = count_put_off(store);
	Pk__RefusedMailbox refused[REFUSED_MAX], *refused_pointers[REFUSED_MAX];
	reply.n_refused = refused_rows(store->refused, refused, refused_pointers);
	reply.refused = refused_pointers;
	reply.refused_full = reply.n_refused == REFUSED_MAX;
	Pk__MissingMail missing[REFUSED_MAX], *missing_pointers[REFUSED_MAX];
	reply.n_missing = refused_missing_rows(store->refused, missing, missing_pointers);
	reply.missing = missing_pointers;
	link_reply(inbound, &reply.base);
}

const struct method store_method_statistics = {
	.core.number = PK__STORE_METHOD__STORE_STATISTICS,
	.core.name = "statistics",
	.core.roles = ROLE_CLI,
	.core.request = &pk__empty__descriptor,
	.scope = METHOD_STORE,
	.answer = answer_statistics,
};

/* ---------------------------------------------------------------- SESSION_LIST */

static int by_id(const void *a, const void *b)
{
	const struct session *const *left = a, *const *right = b;
	return (*left)->id < (*right)->id ? -1 : (*left)->id > (*right)->id;
}

static void fill_session(const struct session *session, int64_t now_ms, Pk__SessionInfo *ret)
{
	pk__session_info__init(ret);
	ret->session = session->id;
	ret->mailbox = session->mailbox->id;
	ret->service = (char *)(uintptr_t)session->service;
	ret->client = (char *)(uintptr_t)session->client;
	ret->front = (char *)(uintptr_t)link_peer_address(session->peer);
	ret->seconds = (uint64_t)(now_ms - session->since_ms) / 1000;
}

static void answer_session_list(struct store *store, struct link_inbound *inbound,
                                const ProtobufCMessage *message)
{
	const Pk__SessionListRequest *asked = (const Pk__SessionListRequest *)message;
	struct session **found MEM_AUTO = mem_new_array(store->session_count + 1, sizeof(*found));
	Pk__SessionInfo rows[SESSIONS_PAGE], *pointers[SESSIONS_PAGE];
	Pk__SessionListReply reply = PK__SESSION_LIST_REPLY__INIT;
	size_t position = 0, count = 0;
	struct str key, mailbox = str_from(asked->mailbox);
	void *value;
	while (map_next(store->sessions, &position, &key, &value)) {
		struct session *session = value;
		if (session->id > asked->after && count < store->session_count &&
		    (mailbox.len == 0 || str_eq(mailbox, str_from(session->mailbox->id))))
			found[count++] = session;
	}
	qsort(found, count, sizeof(*found), by_id);
	reply.more = count > SESSIONS_PAGE;
	reply.n_sessions = reply.more ? SESSIONS_PAGE : count;
	reply.sessions = pointers;
	for (size_t i = 0; i < reply.n_sessions; i++) {
		fill_session(found[i], clock_monotonic_ms(), &rows[i]);
		pointers[i] = &rows[i];
	}
	link_reply(inbound, &reply.base);
}

const struct method store_method_session_list = {
	.core.number = PK__STORE_METHOD__STORE_SESSION_LIST,
	.core.name = "session_list",
	.core.roles = ROLE_CLI,
	.core.request = &pk__session_list_request__descriptor,
	.scope = METHOD_STORE,
	.answer = answer_session_list,
};

/* ---------------------------------------------------------------- SESSION_END */

static void answer_session_end(struct store *store, struct link_inbound *inbound,
                               const ProtobufCMessage *message)
{
	static const char reason[] = "ended by the administrator";
	const Pk__SessionEndRequest *asked = (const Pk__SessionEndRequest *)message;
	Pk__SessionEndReply reply = PK__SESSION_END_REPLY__INIT;
	struct mailbox *mailbox = map_get(store->mailboxes, str_from(asked->mailbox));
	struct session *session = map_get(store->sessions,
	                                  STR_OF(&asked->session, sizeof(asked->session)));
	if (mailbox != NULL) {
		reply.ended = mailbox->session_count;
		session_close_all(store, mailbox, reason, true);
	} else if (session != NULL) {
		reply.ended = 1;
		session_end(store, session, reason, true);
	}
	link_reply(inbound, &reply.base);
}

const struct method store_method_session_end = {
	.core.number = PK__STORE_METHOD__STORE_SESSION_END,
	.core.name = "session_end",
	.core.roles = ROLE_CLI,
	.core.request = &pk__session_end_request__descriptor,
	.scope = METHOD_STORE,
	.answer = answer_session_end,
};

/* ---------------------------------------------------------------- FILE_LIST */

/* "353a03f21e534321f5d6e267.sqlite" or with -wal: the mailbox, else nothing. */
static struct str mailbox_of(const char *name)
{
	struct str id = str_slice(str_from(name), 0, MAILBOX_ID_SIZE);
	struct str rest = str_from_byte(str_from(name), id.len);
	bool ours = mailbox_id_valid(id) &&
	            (str_eq(rest, STR(".sqlite")) || str_eq(rest, STR(".sqlite-wal")));
	return ours ? id : STR("");
}

/* A file with its log. A log alone is no mailbox. */
struct size {
	uint64_t bytes;
	bool there;
};

static void add_file(struct map *sizes, int folder, const char *name)
{
	struct stat status;
	struct str id = mailbox_of(name);
	if (id.len == 0 || fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(status.st_mode))
		return;
	struct size *size = map_get(sizes, id);
	if (size == NULL) {
		size = mem_new(sizeof(*size));
		(void)map_put(sizes, id, size);
	}
	size->bytes += (uint64_t)status.st_size;
	size->there = size->there || strlen(name) == id.len + strlen(".sqlite");
}

static int read_sizes(const char *path, struct map *sizes, struct errinfo *info)
{
	DIR *entries = opendir(path);
	if (entries == NULL)
		return errno == ENOENT ? 0 : err_set(info, err_from_errno(errno), "%s", strerror(errno));
	for (struct dirent *entry; (entry = readdir(entries)) != NULL && map_count(sizes) < FILES_MAX;)
		add_file(sizes, dirfd(entries), entry->d_name);
	closedir(entries);
	return 0;
}

static void reply_sizes(struct link_inbound *inbound, const struct map *sizes)
{
	size_t count = map_count(sizes), position = 0;
	Pk__FileListReply reply = PK__FILE_LIST_REPLY__INIT;
	Pk__FileInfo *rows MEM_AUTO = mem_new_array(count + 1, sizeof(*rows));
	Pk__FileInfo **pointers MEM_AUTO = mem_new_array(count + 1, sizeof(Pk__FileInfo *));
	char(*ids)[MAILBOX_ID_SIZE + 1] = mem_new_array(count + 1, sizeof(*ids));
	struct str key;
	void *value;
	for (; map_next(sizes, &position, &key, &value); free(value)) {
		const struct size *size = value;
		if (!size->there)
			continue;
		size_t i = reply.n_files++;
		pk__file_info__init(&rows[i]);
		memcpy(ids[i], key.ptr, MAILBOX_ID_SIZE);
		rows[i].mailbox = ids[i];
		rows[i].bytes = size->bytes;
		pointers[i] = &rows[i];
	}
	reply.files = pointers;
	link_reply(inbound, &reply.base);
	free(ids);
}

static void answer_file_list(struct store *store, struct link_inbound *inbound,
                             const ProtobufCMessage *message)
{
	const Pk__FileListRequest *asked = (const Pk__FileListRequest *)message;
	struct errinfo info = {0};
	char path[PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s/%s/%02x", store->data_dir,
	                   asked->waiting ? "temporary" : "mailboxes", asked->prefix & 0xffu);
	struct map *sizes = map_new();
	int rc = len < 0 || (size_t)len >= sizeof(path) ? E_INVALID : read_sizes(path, sizes, &info);
	if (rc == 0)
		reply_sizes(inbound, sizes);
	else
		link_reply_error(inbound, rc, info.text);
	map_free(sizes);
}

const struct method store_method_file_list = {
	.core.number = PK__STORE_METHOD__STORE_FILE_LIST,
	.core.name = "file_list",
	.core.roles = ROLE_CLI,
	.core.request = &pk__file_list_request__descriptor,
	.scope = METHOD_STORE,
	.answer = answer_file_list,
};

/* ---------------------------------------------------------------- WAITING */

/* How much is sealed, which needs no key of the mailbox. */
static int waiting_run(struct request *request)
{
	struct mailbox *mailbox = request->mailbox;
	Pk__WaitingReply reply = PK__WAITING_REPLY__INIT;
	int rc = mailbox_temporary_open(mailbox, false, &request->info);
	if (rc == E_NOT_FOUND)
		return request_reply(request, &reply.base);
	if (rc != 0)
		return rc;
	struct db_stmt *q = db_query(mailbox->temporary,
	                             "SELECT count(*), coalesce(sum(size), 0) FROM sealed");
	rc = db_step(q, &request->info);
	if (rc == DB_ROW) {
		reply.messages = (uint64_t)db_int(q, 0);
		reply.bytes = (uint64_t)db_int(q, 1);
	}
	db_reset(q);
	return rc < 0 ? rc : request_reply(request, &reply.base);
}

const struct method store_method_waiting = {
	.core.number = PK__STORE_METHOD__STORE_WAITING,
	.core.name = "waiting",
	.core.roles = ROLE_CLI,
	.core.request = &pk__mailbox_request__descriptor,
	.scope = METHOD_MAILBOX,
	.run = waiting_run,
};
