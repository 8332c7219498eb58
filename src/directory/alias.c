#include "directory/internal.h"

#include <stdlib.h>
#include <string.h>

/* Aliases: the addresses of our domains. An alias gets its mailbox with its first password. */

enum { QUOTA_MAX_SHIFT = 50 }; /* a pebibyte: more is a typing error */

/* The beginning of every statement that lists aliases a with their mailboxes m. */
#define SELECT_ALIAS                                                     \
	"SELECT a.local, a.domain, a.created, a.quota_bytes, m.id,"          \
	" CASE WHEN m.public_key IS NULL THEN 0 ELSE 1 END,"                 \
	" (SELECT count(*) FROM slot s WHERE s.mailbox = m.id), a.disabled," \
	" (SELECT accepting FROM mailbox_state t WHERE t.mailbox = m.id)"

/* A row of it. The reply's strings are owned by it. */
static void read_alias(struct db_stmt *q, Pk__AliasReply *ret)
{
	struct buf address;
	size_t len;
	buf_init(&address, ADDRESS_INPUT_MAX);
	buf_add_str(&address, db_text(q, 0));
	buf_add_byte(&address, '@');
	buf_add_str(&address, db_text(q, 1));
	buf_add_byte(&address, '\0');
	pk__alias_reply__init(ret);
	ret->address = buf_steal(&address, &len);
	ret->created = str_dup(db_text(q, 2));
	ret->quota_bytes = (uint64_t)db_int(q, 3);
	ret->mailbox = str_dup(db_text(q, 4));
	ret->ready = db_int(q, 5) != 0;
	ret->passwords = (uint32_t)db_int(q, 6);
	ret->disabled = db_int(q, 7) != 0;
	ret->accepting = db_int(q, 8) != 0;
}

static void alias_done(Pk__AliasReply *row)
{
	free(row->address);
	free(row->created);
	free(row->mailbox);
}

int directory_alias_reply(struct directory *d, const struct address *address,
                          const struct request *request, struct errinfo *info)
{
	struct db_stmt *q = db_query(d->db, SELECT_ALIAS
	                             " FROM alias a LEFT JOIN mailbox m ON m.id = a.mailbox"
	                             " WHERE a.domain = $1 AND a.local = $2");
	db_bind_text(q, 1, str_from(address->domain));
	db_bind_text(q, 2, str_from(address->local));
	int rc = db_step(q, info);
	if (rc < 0)
		return rc;
	if (rc != DB_ROW)
		return err_set(info, E_NOT_FOUND, "no such alias: %s", address->text);
	Pk__AliasReply reply;
	read_alias(q, &reply);
	db_reset(q);
	link_pack(request->reply, &reply.base);
	alias_done(&reply);
	return 0;
}

static int find_domain(struct directory *d, const char *domain, struct errinfo *info)
{
	struct db_stmt *q = db_query(d->db, "SELECT 1 FROM domain WHERE name = $1");
	db_bind_text(q, 1, str_from(domain));
	int rc = db_step(q, info);
	db_reset(q);
	if (rc == 0)
		return err_set(info, E_NOT_FOUND, "no such domain: %s", domain);
	return rc < 0 ? rc : 0;
}

int directory_alias_insert(struct directory *d, const struct address *address, uint64_t quota_bytes,
                           struct errinfo *info)
{
	char now[DATE_SIZE];
	directory_now(now);
	struct db_stmt *q = db_query(
		d->db, "INSERT INTO alias (domain, local, created, quota_bytes)"
			   " SELECT name, $1, $2, CAST($3 AS BIGINT) FROM domain WHERE name = $4"
			   " ON CONFLICT DO NOTHING");
	db_bind_text(q, 1, str_from(address->local));
	db_bind_text(q, 2, str_from(now));
	db_bind_int(q, 3, quota_bytes != 0 ? (int64_t)quota_bytes : d->quota_default);
	db_bind_text(q, 4, str_from(address->domain));
	int rc = db_run(q, info);
	if (rc != 0 || db_changes(d->db) == 1)
		return rc;
	rc = find_domain(d, address->domain, info);
	return rc != 0 ? rc : err_set(info, E_EXISTS, "the alias is there already: %s", address->text);
}

int directory_alias_check(const char *text, uint64_t quota_bytes, struct address *ret,
                          struct errinfo *info)
{
	int rc = address_normalize(field_text(text), ret, info);
	if (rc == 0 && ret->detailed)
		rc = err_set(info, E_INVALID, "an alias has no +: mail for %s+anything comes to %s",
		             ret->local, ret->local);
	/* A legal local part (RFC 5321 section 4.1.2), but nobody means an address by it. */
	if (rc == 0 && strcmp(ret->local, "*") == 0)
		rc = err_set(info, E_INVALID,
		             "an alias is one address: there is none for all of a domain's");
	if (rc == 0 && quota_bytes >> QUOTA_MAX_SHIFT != 0)
		rc = err_set(info, E_INVALID, "the quota is too large");
	return rc;
}

static int alias_add_run(struct directory *d, const struct request *request, struct errinfo *info)
{
	const Pk__AliasAddRequest *asked = (const Pk__AliasAddRequest *)request->message;
	struct address address;
	int rc = directory_alias_check(asked->address, asked->quota_bytes, &address, info);
	if (rc == 0)
		rc = db_begin(d->db, info);
	if (rc != 0)
		return rc;
	rc = directory_end(d, directory_alias_insert(d, &address, asked->quota_bytes, info), info);
	return rc != 0 ? rc : directory_alias_reply(d, &address, request, info);
}

const struct method directory_method_alias_add = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_ALIAS_ADD,
	.core.name = "alias_add",
	.core.roles = ROLE_ADMIN,
	.core.request = &pk__alias_add_request__descriptor,
	.grows = true,
	.run = alias_add_run,
};

/* One page, as q yields it; q has its first parameters bound. */
static int reply_page(struct db_stmt *q, const struct request *request, struct errinfo *info)
{
	Pk__AliasListReply reply = PK__ALIAS_LIST_REPLY__INIT;
	Pk__AliasReply rows[LIST_PAGE], *pointers[LIST_PAGE];
	int rc;
	while ((rc = db_step(q, info)) == DB_ROW) {
		if (reply.n_aliases == LIST_PAGE) {
			reply.more = true;
			continue;
		}
		read_alias(q, &rows[reply.n_aliases]);
		pointers[reply.n_aliases] = &rows[reply.n_aliases];
		reply.n_aliases++;
	}
	reply.aliases = pointers;
	if (rc == 0)
		link_pack(request->reply, &reply.base);
	for (size_t i = 0; i < reply.n_aliases; i++)
		alias_done(&rows[i]);
	return rc;
}

/* ListRequest.after is an address as an earlier page had it; anything else starts at the front. */
static void split_after(const char *after, struct str *ret_local, struct str *ret_domain)
{
	struct str text = field_text(after);
	ptrdiff_t at = str_rfind_byte(text, '@');
	*ret_local = at < 0 ? STR("") : str_slice(text, 0, (size_t)at);
	*ret_domain = at < 0 ? STR("") : str_from_byte(text, (size_t)at + 1);
}

static int alias_list_run(struct directory *d, const struct request *request, struct errinfo *info)
{
	const Pk__ListRequest *asked = (const Pk__ListRequest *)request->message;
	struct str after_local, after_domain;
	split_after(asked->after, &after_local, &after_domain);
	if (field_text(asked->domain).len == 0) {
		struct db_stmt *q = db_query(
			d->db, SELECT_ALIAS
			" FROM alias a LEFT JOIN mailbox m ON m.id = a.mailbox"
			" WHERE (a.domain, a.local) > ($1, $2) ORDER BY a.domain, a.local LIMIT $3");
		db_bind_text(q, 1, after_domain);
		db_bind_text(q, 2, after_local);
		db_bind_int(q, 3, LIST_PAGE + 1);
		return reply_page(q, request, info);
	}
	char domain[ADDRESS_DOMAIN_MAX + 1];
	int rc = domain_normalize(field_text(asked->domain), domain, info);
	if (rc == 0)
		rc = find_domain(d, domain, info);
	if (rc != 0)
		return rc;
	struct db_stmt *q = db_query(d->db, SELECT_ALIAS
	                             " FROM alias a LEFT JOIN mailbox m ON m.id = a.mailbox"
	                             " WHERE a.domain = $1 AND a.local > $2 ORDER BY a.local LIMIT $3");
	db_bind_text(q, 1, str_from(domain));
	db_bind_text(q, 2, after_local);
	db_bind_int(q, 3, LIST_PAGE + 1);
	return reply_page(q, request, info);
}

const struct method directory_method_alias_list = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_ALIAS_LIST,
	.core.name = "alias_list",
	.core.roles = ROLE_ADMIN,
	.core.request = &pk__list_request__descriptor,
	.run = alias_list_run,
};

/* The aliases of the first LIST_PAGE of these mailboxes; one without an alias has no row. */
static int mailbox_list_run(struct directory *d, const struct request *request,
                            struct errinfo *info)
{
	const Pk__MailboxListRequest *asked = (const Pk__MailboxListRequest *)request->message;
	Pk__AliasListReply reply = PK__ALIAS_LIST_REPLY__INIT;
	Pk__AliasReply rows[LIST_PAGE], *pointers[LIST_PAGE];
	int rc = 0;
	reply.aliases = pointers;
	for (size_t i = 0; i < asked->n_mailboxes && i < LIST_PAGE && rc == 0; i++) {
		struct db_stmt *q = db_query(
			d->db, SELECT_ALIAS " FROM mailbox m JOIN alias a ON a.mailbox = m.id WHERE m.id = $1");
		db_bind_text(q, 1, field_text(asked->mailboxes[i]));
		rc = db_step(q, info);
		if (rc == DB_ROW) {
			read_alias(q, &rows[reply.n_aliases]);
			pointers[reply.n_aliases] = &rows[reply.n_aliases];
			reply.n_aliases++;
			rc = 0;
		}
		db_reset(q);
	}
	if (rc == 0)
		link_pack(request->reply, &reply.base);
	for (size_t i = 0; i < reply.n_aliases; i++)
		alias_done(&rows[i]);
	return rc;
}

const struct method directory_method_mailbox_list = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_MAILBOX_LIST,
	.core.name = "mailbox_list",
	.core.roles = ROLE_ADMIN,
	.core.request = &pk__mailbox_list_request__descriptor,
	.run = mailbox_list_run,
};

static int delete_alias(struct directory *d, const struct address *address, struct errinfo *info)
{
	struct db_stmt *q = db_query(d->db, "DELETE FROM alias WHERE domain = $1 AND local = $2");
	db_bind_text(q, 1, str_from(address->domain));
	db_bind_text(q, 2, str_from(address->local));
	return db_run(q, info);
}

int directory_mailbox_discard(struct directory *d, const struct mailbox *mailbox,
                              struct errinfo *info)
{
	char now[DATE_SIZE];
	directory_now(now);
	directory_revoked(d, mailbox->id, 0);
	struct db_stmt *q = db_query(d->db, "DELETE FROM slot WHERE mailbox = $1");
	db_bind_text(q, 1, str_from(mailbox->id));
	int rc = db_run(q, info);
	if (rc != 0)
		return rc;
	q = db_query(d->db, "DELETE FROM mailbox_state WHERE mailbox = $1");
	db_bind_text(q, 1, str_from(mailbox->id));
	rc = db_run(q, info);
	if (rc == 0)
		rc = directory_waiting_discard(d, mailbox->id, info);
	if (rc != 0)
		return rc;
	q = db_query(d->db, "DELETE FROM mailbox WHERE id = $1");
	db_bind_text(q, 1, str_from(mailbox->id));
	rc = db_run(q, info);
	if (rc != 0)
		return rc;
	q = db_query(d->db, "INSERT INTO removed_mailbox (id, store, removed) VALUES ($1, $2, $3)"
	                    " ON CONFLICT DO NOTHING");
	db_bind_text(q, 1, str_from(mailbox->id));
	db_bind_text(q, 2, str_from(mailbox->store));
	db_bind_text(q, 3, str_from(now));
	return db_run(q, info);
}

static int alias_remove_run(struct directory *d, const struct request *request,
                            struct errinfo *info)
{
	const Pk__AliasRequest *asked = (const Pk__AliasRequest *)request->message;
	struct address address;
	struct mailbox mailbox;
	int rc = directory_alias_begin(d, asked->address, &address, &mailbox, info);
	if (rc != 0)
		return rc;
	rc = directory_alias_reply(d, &address, request, info);
	if (rc == 0)
		rc = delete_alias(d, &address, info);
	if (rc == 0 && mailbox.id[0] != '\0')
		rc = directory_mailbox_discard(d, &mailbox, info);
	rc = directory_end(d, rc, info);
	if (rc == 0)
		log_info(d->log, "directory.alias_removed", F_TEXT("mailbox", mailbox.id));
	return rc;
}

const struct method directory_method_alias_remove = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_ALIAS_REMOVE,
	.core.name = "alias_remove",
	.core.roles = ROLE_ADMIN,
	.core.request = &pk__alias_request__descriptor,
	.run = alias_remove_run,
};

static int set_disabled(struct directory *d, const struct address *address, bool disabled,
                        struct errinfo *info)
{
	struct db_stmt *q = db_query(d->db,
	                             "UPDATE alias SET disabled = $1 WHERE domain = $2 AND local = $3");
	db_bind_int(q, 1, disabled ? 1 : 0);
	db_bind_text(q, 2, str_from(address->domain));
	db_bind_text(q, 3, str_from(address->local));
	return db_run(q, info);
}

/* Its sessions end at once; what waits for it goes on waiting. */
static int alias_disable_run(struct directory *d, const struct request *request,
                             struct errinfo *info)
{
	const Pk__AliasDisableRequest *asked = (const Pk__AliasDisableRequest *)request->message;
	struct address address;
	struct mailbox mailbox;
	int rc = directory_alias_begin(d, asked->address, &address, &mailbox, info);
	if (rc != 0)
		return rc;
	rc = set_disabled(d, &address, asked->disabled, info);
	if (rc == 0 && asked->disabled && mailbox.id[0] != '\0')
		directory_revoked(d, mailbox.id, 0);
	rc = directory_end(d, rc, info);
	if (rc != 0)
		return rc;
	log_info(d->log, asked->disabled ? "directory.alias_disabled" : "directory.alias_enabled",
	         F_TEXT("mailbox", mailbox.id));
	return directory_alias_reply(d, &address, request, info);
}

const struct method directory_method_alias_disable = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_ALIAS_DISABLE,
	.core.name = "alias_disable",
	.core.roles = ROLE_ADMIN,
	.core.request = &pk__alias_disable_request__descriptor,
	.run = alias_disable_run,
};

/* ---------------------------------------------------------------- files that are still to go */

static int reply_removed(struct directory *d, struct str after, const struct request *request,
                         struct errinfo *info)
{
	Pk__RemovedListReply reply = PK__REMOVED_LIST_REPLY__INIT;
	Pk__RemovedMailbox rows[LIST_PAGE], *pointers[LIST_PAGE];
	int rc;
	struct db_stmt *q = db_query(
		d->db, "SELECT id, store FROM removed_mailbox WHERE id > $1 ORDER BY id LIMIT $2");
	db_bind_text(q, 1, after);
	db_bind_int(q, 2, LIST_PAGE + 1);
	while ((rc = db_step(q, info)) == DB_ROW) {
		if (reply.n_mailboxes == LIST_PAGE) {
			reply.more = true;
			continue;
		}
		Pk__RemovedMailbox *row = &rows[reply.n_mailboxes];
		pk__removed_mailbox__init(row);
		row->mailbox = str_dup(db_text(q, 0));
		row->store = str_dup(db_text(q, 1));
		pointers[reply.n_mailboxes++] = row;
	}
	reply.mailboxes = pointers;
	if (rc == 0)
		link_pack(request->reply, &reply.base);
	for (size_t i = 0; i < reply.n_mailboxes; i++) {
		free(rows[i].mailbox);
		free(rows[i].store);
	}
	return rc;
}

static int removed_list_run(struct directory *d, const struct request *request,
                            struct errinfo *info)
{
	const Pk__ListRequest *asked = (const Pk__ListRequest *)request->message;
	return reply_removed(d, field_text(asked->after), request, info);
}

const struct method directory_method_removed_list = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_REMOVED_LIST,
	.core.name = "removed_list",
	.core.roles = ROLE_ADMIN,
	.core.request = &pk__list_request__descriptor,
	.run = removed_list_run,
};

static int removed_done_run(struct directory *d, const struct request *request,
                            struct errinfo *info)
{
	const Pk__RemovedMailbox *asked = (const Pk__RemovedMailbox *)request->message;
	int rc = db_begin(d->db, info);
	if (rc != 0)
		return rc;
	struct db_stmt *q = db_query(d->db, "DELETE FROM removed_mailbox WHERE id = $1");
	db_bind_text(q, 1, field_text(asked->mailbox));
	rc = directory_end(d, db_run(q, info), info);
	return rc != 0 ? rc : reply_removed(d, STR(""), request, info);
}

const struct method directory_method_removed_done = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_REMOVED_DONE,
	.core.name = "removed_done",
	.core.roles = ROLE_ADMIN,
	.core.request = &pk__removed_mailbox__descriptor,
	.run = removed_done_run,
};
