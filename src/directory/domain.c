#include "directory/internal.h"

#include <stdlib.h>
#include <string.h>

/* Domains: what mail is ours. */

/* Name, date and number of aliases as a reply; E_NOT_FOUND. */
static int reply_domain(struct directory *d, const char *name, const struct request *request,
                        struct errinfo *info)
{
	struct db_stmt *q = db_query(d->db,
	                             "SELECT created, (SELECT count(*) FROM alias WHERE domain = name)"
	                             " FROM domain WHERE name = $1");
	db_bind_text(q, 1, str_from(name));
	int rc = db_step(q, info);
	if (rc < 0)
		return rc;
	if (rc != DB_ROW)
		return err_set(info, E_NOT_FOUND, "no such domain: %s", name);
	char created[DATE_SIZE] = "";
	struct str date = str_slice(db_text(q, 0), 0, sizeof(created) - 1);
	memcpy(created, date.ptr, date.len);
	Pk__DomainReply reply = PK__DOMAIN_REPLY__INIT;
	reply.name = (char *)(uintptr_t)name;
	reply.created = created;
	reply.aliases = (uint32_t)db_int(q, 1);
	db_reset(q);
	buf_clear(request->reply);
	link_pack(request->reply, &reply.base);
	return 0;
}

static int domain_add_run(struct directory *d, const struct request *request, struct errinfo *info)
{
	const Pk__DomainRequest *asked = (const Pk__DomainRequest *)request->message;
	char name[ADDRESS_DOMAIN_MAX + 1], now[DATE_SIZE];
	directory_now(now);

	int rc = domain_normalize(field_text(asked->name), name, info);
	if (rc == 0)
		rc = db_begin(d->db, info);
	if (rc != 0)
		return rc;
	struct db_stmt *q = db_query(
		d->db, "INSERT INTO domain (name, created) VALUES ($1, $2) ON CONFLICT DO NOTHING");
	db_bind_text(q, 1, str_from(name));
	db_bind_text(q, 2, str_from(now));
	rc = db_run(q, info);
	if (rc == 0 && db_changes(d->db) == 0)
		rc = err_set(info, E_EXISTS, "the domain is there already: %s", name);
	rc = directory_end(d, rc, info);
	return rc != 0 ? rc : reply_domain(d, name, request, info);
}

const struct method directory_method_domain_add = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_DOMAIN_ADD,
	.core.name = "domain_add",
	.core.roles = ROLE_ADMIN,
	.core.request = &pk__domain_request__descriptor,
	.grows = true,
	.run = domain_add_run,
};

static int domain_list_run(struct directory *d, const struct request *request, struct errinfo *info)
{
	const Pk__ListRequest *asked = (const Pk__ListRequest *)request->message;
	Pk__DomainListReply reply = PK__DOMAIN_LIST_REPLY__INIT;
	Pk__DomainReply rows[LIST_PAGE], *pointers[LIST_PAGE];
	int rc;
	struct db_stmt *q = db_query(
		d->db, "SELECT name, created, (SELECT count(*) FROM alias WHERE domain = name) FROM domain"
			   " WHERE name > $1 ORDER BY name LIMIT $2");
	db_bind_text(q, 1, field_text(asked->after));
	db_bind_int(q, 2, LIST_PAGE + 1);
	while ((rc = db_step(q, info)) == DB_ROW) {
		if (reply.n_domains == LIST_PAGE) {
			reply.more = true;
			continue;
		}
		Pk__DomainReply *row = &rows[reply.n_domains];
		pk__domain_reply__init(row);
		row->name = str_dup(db_text(q, 0));
		row->created = str_dup(db_text(q, 1));
		row->aliases = (uint32_t)db_int(q, 2);
		pointers[reply.n_domains++] = row;
	}
	reply.domains = pointers;
	if (rc == 0)
		link_pack(request->reply, &reply.base);
	for (size_t i = 0; i < reply.n_domains; i++) {
		free(rows[i].name);
		free(rows[i].created);
	}
	return rc;
}

const struct method directory_method_domain_list = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_DOMAIN_LIST,
	.core.name = "domain_list",
	.core.roles = ROLE_ADMIN,
	.core.request = &pk__list_request__descriptor,
	.run = domain_list_run,
};

static int domain_remove_run(struct directory *d, const struct request *request,
                             struct errinfo *info)
{
	const Pk__DomainRequest *asked = (const Pk__DomainRequest *)request->message;
	char name[ADDRESS_DOMAIN_MAX + 1];
	int rc = domain_normalize(field_text(asked->name), name, info);
	if (rc == 0)
		rc = db_begin(d->db, info);
	if (rc != 0)
		return rc;
	rc = reply_domain(d, name, request, info);
	if (rc == 0) {
		struct db_stmt *q = db_query(d->db,
		                             "DELETE FROM domain WHERE name = $1"
		                             " AND NOT EXISTS (SELECT 1 FROM alias WHERE domain = name)");
		db_bind_text(q, 1, str_from(name));
		rc = db_run(q, info);
	}
	if (rc == 0 && db_changes(d->db) == 0)
		rc = err_set(info, E_BUSY, "the domain still has aliases: remove those first");
	return directory_end(d, rc, info);
}

const struct method directory_method_domain_remove = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_DOMAIN_REMOVE,
	.core.name = "domain_remove",
	.core.roles = ROLE_ADMIN,
	.core.request = &pk__domain_request__descriptor,
	.run = domain_remove_run,
};
