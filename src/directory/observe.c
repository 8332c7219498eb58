#include "directory/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"

/* What an operator wants to know: figures, and which wrong logins are being slowed down. */

enum { PEERS_MAX = 256 };

/* ---------------------------------------------------------------- STATISTICS */

static int count_all(struct directory *d, Pk__DirectoryStatistics *ret, struct errinfo *info)
{
	struct db_stmt *q = db_query(d->db, "SELECT (SELECT count(*) FROM domain), count(*),"
	                                    " count(mailbox), coalesce(sum(quota_bytes), 0),"
	                                    " (SELECT count(*) FROM removed_mailbox) FROM alias");
	int rc = db_step(q, info);
	if (rc != DB_ROW)
		return rc < 0 ? rc : err_set(info, E_INTERNAL, "no counts");
	ret->domains = (uint64_t)db_int(q, 0);
	ret->aliases = (uint64_t)db_int(q, 1);
	ret->mailboxes = (uint64_t)db_int(q, 2);
	ret->quota_bytes = (uint64_t)db_int(q, 3);
	ret->removed = (uint64_t)db_int(q, 4);
	db_reset(q);
	return 0;
}

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

static int statistics_run(struct directory *d, const struct request *request, struct errinfo *info)
{
	Pk__DirectoryStatistics reply = PK__DIRECTORY_STATISTICS__INIT;
	struct peers peers = {.now_ms = clock_monotonic_ms()};
	int rc = count_all(d, &reply, info);
	if (rc != 0)
		return rc;
	reply.seconds = (uint64_t)(peers.now_ms - d->start_ms) / 1000;
	reply.logins = d->logins;
	reply.logins_refused = d->logins_refused;
	reply.refusals_waiting = refusals_count(d->refusals);
	link_inbound_each_peer(request->inbound, add_peer, &peers);
	reply.n_peers = peers.count;
	reply.peers = peers.pointers;
	link_pack(request->reply, &reply.base);
	return 0;
}

const struct method directory_method_statistics = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_STATISTICS,
	.core.name = "statistics",
	.core.roles = ROLE_ADMIN,
	.core.request = &pk__list_request__descriptor,
	.run = statistics_run,
};

/* ---------------------------------------------------------------- FAILURE_LIST, FAILURE_FORGET */

struct failure_page {
	Pk__FailureListReply reply;
	Pk__Failure rows[LIST_PAGE], *pointers[LIST_PAGE];
	int64_t now_ms;
};

static bool add_failure(void *ctx, const struct failures_row *row)
{
	struct failure_page *page = ctx;
	if (page->reply.n_failures == LIST_PAGE) {
		page->reply.more = true;
		return false;
	}
	Pk__Failure *failure = &page->rows[page->reply.n_failures];
	pk__failure__init(failure);
	/* What a client sent that is no address may be anything. */
	failure->address = str_dup(utf8_valid(row->address) ? row->address : STR("?"));
	failure->network = (char *)(uintptr_t)row->network;
	failure->count = (uint64_t)row->count;
	failure->seconds = (uint64_t)(page->now_ms - row->since_ms) / 1000;
	failure->delay_ms = (uint64_t)row->delay_ms;
	page->pointers[page->reply.n_failures++] = failure;
	return true;
}

static void reply_failures(struct directory *d, const struct request *request, size_t forgotten)
{
	struct failure_page page = {.reply = PK__FAILURE_LIST_REPLY__INIT,
	                            .now_ms = clock_monotonic_ms()};
	failures_each(d->failures, page.now_ms, add_failure, &page);
	page.reply.failures = page.pointers;
	page.reply.forgotten = (uint32_t)forgotten;
	link_pack(request->reply, &page.reply.base);
	for (size_t i = 0; i < page.reply.n_failures; i++)
		free(page.rows[i].address);
}

static int failure_list_run(struct directory *d, const struct request *request,
                            struct errinfo *info)
{
	(void)info;
	reply_failures(d, request, 0);
	return 0;
}

const struct method directory_method_failure_list = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_FAILURE_LIST,
	.core.name = "failure_list",
	.core.roles = ROLE_ADMIN,
	.core.request = &pk__list_request__descriptor,
	.run = failure_list_run,
};

static int failure_forget_run(struct directory *d, const struct request *request,
                              struct errinfo *info)
{
	const Pk__FailureForgetRequest *asked = (const Pk__FailureForgetRequest *)request->message;
	struct str which = field_text(asked->which);
	struct address address;
	char network[FAILURES_NETWORK_SIZE];
	if (str_find_byte(which, '@') < 0) {
		failures_network(which, network);
		which = str_from(network);
	} else if (address_normalize(which, &address, info) == 0) {
		which = str_from(address.text);
	}
	size_t forgotten = failures_forget(d->failures, which);
	log_info(d->log, "directory.failures_forgotten", F_INT("count", forgotten));
	reply_failures(d, request, forgotten);
	return 0;
}

const struct method directory_method_failure_forget = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_FAILURE_FORGET,
	.core.name = "failure_forget",
	.core.roles = ROLE_ADMIN,
	.core.request = &pk__failure_forget_request__descriptor,
	.run = failure_forget_run,
};
