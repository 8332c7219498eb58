#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "directory/internal.h"

/*
 * Sessions outlive the login that began them. What takes a login away (a password revoked or replaced,
 * an address removed) is told to every front, which ends the sessions that it opened; a front that was
 * away meanwhile asks when it is back (SESSION_CHECK).
 */

enum { CHECK_MAX = 500 /* logins in one question: some milliseconds of the loop */ };

void directory_front_up(struct directory *d, struct link_peer *peer)
{
	struct directory_front *front = mem_new(sizeof(*front));
	front->peer = peer;
	link_peer_set_data(peer, front);
	TAILQ_INSERT_TAIL(&d->fronts, front, entry);
}

void directory_front_down(struct directory *d, struct link_peer *peer)
{
	struct directory_front *front = link_peer_data(peer);
	if (front == NULL)
		return;
	TAILQ_REMOVE(&d->fronts, front, entry);
	free(front);
}

void directory_revoked(struct directory *d, const char *mailbox, int64_t slot)
{
	struct revocation *revocation = mem_new(sizeof(*revocation));
	struct str id = str_slice(str_from(mailbox), 0, MAILBOX_ID_SIZE);
	memcpy(revocation->mailbox, id.ptr, id.len);
	revocation->slot = slot;
	STAILQ_INSERT_TAIL(&d->revocations, revocation, entry);
}

static void tell(struct directory *d, struct revocation *revocation)
{
	Pk__RevokedEvent event = PK__REVOKED_EVENT__INIT;
	uint64_t slot = (uint64_t)revocation->slot;
	event.mailbox = revocation->mailbox;
	event.all = slot == 0;
	event.n_slots = slot == 0 ? 0 : 1;
	event.slots = &slot;
	struct directory_front *front, *next;
	for (front = TAILQ_FIRST(&d->fronts); front != NULL; front = next) {
		next = TAILQ_NEXT(front, entry);
		link_event(front->peer, PK__DIRECTORY_METHOD__DIRECTORY_EVENT_REVOKED, &event.base);
	}
}

void directory_revocations_end(struct directory *d, bool committed)
{
	struct revocation *revocation;
	while ((revocation = STAILQ_FIRST(&d->revocations)) != NULL) {
		STAILQ_REMOVE_HEAD(&d->revocations, entry);
		if (committed)
			tell(d, revocation);
		free(revocation);
	}
}

/* Whether a session that logged in with that slot may go on. */
static int login_holds(struct directory *d, const Pk__SessionLogin *login, bool *ret,
                       struct errinfo *info)
{
	struct db_stmt *q = db_query(d->db,
	                             "SELECT 1 FROM slot s JOIN alias a ON a.mailbox = s.mailbox"
	                             " WHERE s.mailbox = $1 AND s.number = $2 AND a.disabled = 0");
	db_bind_text(q, 1, field_text(login->mailbox));
	db_bind_int(q, 2, (int64_t)login->slot);
	int rc = db_step(q, info);
	*ret = rc == DB_ROW;
	db_reset(q);
	return rc < 0 ? rc : 0;
}

static int session_check_run(struct directory *d, const struct request *request,
                             struct errinfo *info)
{
	const Pk__SessionCheckRequest *asked = (const Pk__SessionCheckRequest *)request->message;
	Pk__SessionCheckReply reply = PK__SESSION_CHECK_REPLY__INIT;
	Pk__SessionLogin *revoked[CHECK_MAX];
	if (asked->n_logins > CHECK_MAX)
		return err_set(info, E_TOO_LARGE, "too many logins in one question");
	for (size_t i = 0; i < asked->n_logins; i++) {
		bool holds = false;
		int rc = login_holds(d, asked->logins[i], &holds, info);
		if (rc != 0)
			return rc;
		if (!holds)
			revoked[reply.n_revoked++] = asked->logins[i];
	}
	reply.revoked = revoked;
	link_pack(request->reply, &reply.base);
	return 0;
}

const struct method directory_method_session_check = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_SESSION_CHECK,
	.core.name = "session_check",
	.core.roles = LOGIN_ROLES,
	.core.request = &pk__session_check_request__descriptor,
	.run = session_check_run,
};
