#include "directory/internal.h"

#include "base/mem.h"

/* RESOLVE: whom a recipient is, once for each RCPT command. */

static int domain_is_ours(struct directory *d, const char *domain, bool *ret, struct errinfo *info)
{
	struct db_stmt *q = db_query(d->db, "SELECT 1 FROM domain WHERE name = $1");
	db_bind_text(q, 1, str_from(domain));
	int rc = db_step(q, info);
	db_reset(q);
	*ret = rc == DB_ROW;
	return rc < 0 ? rc : 0;
}

/* *ret_found false: no such alias. Otherwise the reply is packed. */
static int resolve_alias(struct directory *d, const struct address *address,
                         const struct request *request, bool *ret_found, struct errinfo *info)
{
	struct db_stmt *q = db_query(
		d->db, "SELECT a.disabled, a.quota_bytes, m.id, m.public_key, m.store FROM alias a"
			   " LEFT JOIN mailbox m ON m.id = a.mailbox WHERE a.domain = $1 AND a.local = $2");
	db_bind_text(q, 1, str_from(address->domain));
	db_bind_text(q, 2, str_from(address->local));
	int rc = db_step(q, info);
	*ret_found = rc == DB_ROW;
	if (rc != DB_ROW)
		return rc;

	Pk__ResolveReply reply = PK__RESOLVE_REPLY__INIT;
	char *id MEM_AUTO = str_dup(db_text(q, 2)), *store MEM_AUTO = str_dup(db_text(q, 4));
	struct str public_key = db_blob(q, 3);
	reply.kind = db_int(q, 0) != 0 ? PK__RESOLVE_REPLY__KIND__DISABLED
	                               : PK__RESOLVE_REPLY__KIND__MAILBOX;
	reply.quota_bytes = (uint64_t)db_int(q, 1);
	reply.mailbox = id;
	reply.store = store;
	reply.public_key = field_make(public_key.ptr, public_key.len);
	link_pack(request->reply, &reply.base);
	db_reset(q);
	return 0;
}

static int resolve_run(struct directory *d, const struct request *request, struct errinfo *info)
{
	const Pk__ResolveRequest *asked = (const Pk__ResolveRequest *)request->message;
	Pk__ResolveReply reply = PK__RESOLVE_REPLY__INIT;
	struct address address;
	bool found = false, ours = false;

	int bad = address_normalize(field_text(asked->address), &address, info);
	int rc = bad != 0 ? 0 : resolve_alias(d, &address, request, &found, info);
	if (rc != 0 || found)
		return rc;
	if (address.domain[0] != '\0')
		rc = domain_is_ours(d, address.domain, &ours, info);
	if (rc != 0)
		return rc;
	reply.kind = ours ? PK__RESOLVE_REPLY__KIND__UNKNOWN : PK__RESOLVE_REPLY__KIND__FOREIGN;
	link_pack(request->reply, &reply.base);
	return 0;
}

const struct method directory_method_resolve = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_RESOLVE,
	.core.name = "resolve",
	.core.roles = ROLE_FRONT | ROLE_CLI,
	.core.request = &pk__resolve_request__descriptor,
	.run = resolve_run,
};
