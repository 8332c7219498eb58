#include <stdlib.h>

#include "directory/internal.h"

#include "base/mem.h"

/*
 * What a store has told about its mailboxes: a row for each, which may be older than the mailbox but never
 * newer than what is durable in it. A file that has less than its row has been put back from a copy, or
 * has lost its WAL; the store then refuses it until the operator accepts that (MAILBOX_ACCEPT).
 */

enum { STATES_MAX = 1000 };

static int mailbox_state_get_run(struct directory *d, const struct request *request,
                                 struct errinfo *info)
{
	const Pk__MailboxStateRequest *asked = (const Pk__MailboxStateRequest *)request->message;
	struct db_stmt *q = db_query(
		d->db, "SELECT generation, uid_validity, modseq, uids, messages, accepting"
			   " FROM mailbox_state WHERE mailbox = $1");
	db_bind_text(q, 1, field_text(asked->mailbox));
	int rc = db_step(q, info);
	if (rc < 0)
		return rc;
	Pk__MailboxState reply = PK__MAILBOX_STATE__INIT;
	reply.mailbox = asked->mailbox;
	reply.known = rc == DB_ROW;
	if (reply.known) {
		reply.generation = (uint32_t)db_int(q, 0);
		reply.uid_validity = (uint32_t)db_int(q, 1);
		reply.modseq = (uint64_t)db_int(q, 2);
		reply.uids = (uint64_t)db_int(q, 3);
		reply.messages = (uint64_t)db_int(q, 4);
		reply.accepting = db_int(q, 5) != 0;
	}
	db_reset(q);
	struct waiting_states waiting;
	rc = directory_waiting_get(d, asked->mailbox, &waiting, info);
	if (rc != 0)
		return rc;
	reply.waiting = waiting.pointers;
	reply.n_waiting = waiting.count;
	link_pack(request->reply, &reply.base);
	return 0;
}

const struct method directory_method_mailbox_state_get = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_MAILBOX_STATE_GET,
	.core.name = "mailbox_state_get",
	.core.roles = ROLE_STORE,
	.core.request = &pk__mailbox_state_request__descriptor,
	.run = mailbox_state_get_run,
};

/* A store that has not heard of an acceptance yet does not undo it, nor does an answer that comes late. */
int directory_state_put(struct directory *d, const Pk__MailboxState *state, struct errinfo *info)
{
	char now[DATE_SIZE];
	directory_now(now);
	struct db_stmt *q = db_query(
		d->db, "INSERT INTO mailbox_state"
			   " (mailbox, generation, uid_validity, modseq, uids, messages, accepting, updated)"
			   " SELECT id, CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST($3 AS BIGINT),"
			   " CAST($4 AS BIGINT), CAST($5 AS BIGINT), 0, $6 FROM mailbox WHERE id = $7"
			   " ON CONFLICT (mailbox) DO UPDATE SET generation = excluded.generation,"
			   " uid_validity = excluded.uid_validity, modseq = excluded.modseq,"
			   " uids = excluded.uids, messages = excluded.messages, accepting = 0,"
			   " updated = excluded.updated"
			   " WHERE excluded.generation > mailbox_state.generation"
			   " OR (excluded.generation = mailbox_state.generation"
			   " AND excluded.modseq >= mailbox_state.modseq)");
	db_bind_int(q, 1, state->generation);
	db_bind_int(q, 2, state->uid_validity);
	db_bind_int(q, 3, (int64_t)state->modseq);
	db_bind_int(q, 4, (int64_t)state->uids);
	db_bind_int(q, 5, (int64_t)state->messages);
	db_bind_text(q, 6, str_from(now));
	db_bind_text(q, 7, field_text(state->mailbox));
	return db_run(q, info);
}

/* The reply says of what waits something is lost: asked's own rows, with that number in them. */
static int put_states(struct directory *d, const Pk__MailboxStates *asked, Pk__MailboxStates *reply,
                      struct errinfo *info)
{
	int rc = 0;
	for (size_t i = 0; i < asked->n_states && rc == 0; i++)
		rc = directory_state_put(d, asked->states[i], info);
	for (size_t i = 0; i < asked->n_waiting && rc == 0; i++) {
		uint64_t lost;
		rc = directory_waiting_put(d, asked->waiting[i], &lost, info);
		asked->waiting[i]->lost = lost;
		if (lost > 0)
			reply->waiting[reply->n_waiting++] = asked->waiting[i];
	}
	return rc;
}

static int mailbox_state_set_run(struct directory *d, const struct request *request,
                                 struct errinfo *info)
{
	const Pk__MailboxStates *asked = (const Pk__MailboxStates *)request->message;
	if (asked->n_states > STATES_MAX || asked->n_waiting > STATES_MAX)
		return err_set(info, E_TOO_LARGE, "too many mailboxes at once");
	Pk__MailboxStates reply = PK__MAILBOX_STATES__INIT;
	reply.waiting = mem_new_array(asked->n_waiting + 1, sizeof(Pk__WaitingState *));
	/* A row that a power cut takes back is only older: not worth the disk's time. */
	db_set_sync_full(d->db, false);
	int rc = db_begin(d->db, info);
	if (rc == 0) {
		rc = put_states(d, asked, &reply, info);
		rc = directory_end(d, rc, info);
	}
	db_set_sync_full(d->db, true);
	if (rc == 0)
		link_pack(request->reply, &reply.base);
	free(reply.waiting);
	return rc;
}

const struct method directory_method_mailbox_state_set = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_MAILBOX_STATE_SET,
	.core.name = "mailbox_state_set",
	.core.roles = ROLE_STORE,
	.core.request = &pk__mailbox_states__descriptor,
	.run = mailbox_state_set_run,
};

static int mailbox_accept_run(struct directory *d, const struct request *request,
                              struct errinfo *info)
{
	const Pk__AliasRequest *asked = (const Pk__AliasRequest *)request->message;
	struct address address;
	struct mailbox mailbox;
	int rc = directory_alias_begin(d, asked->address, &address, &mailbox, info);
	if (rc != 0)
		return rc;
	struct db_stmt *q = db_query(
		d->db, "UPDATE mailbox_state SET generation = generation + 1, uid_validity = 0,"
			   " modseq = 0, uids = 0, messages = 0, accepting = 1 WHERE mailbox = $1");
	db_bind_text(q, 1, str_from(mailbox.id));
	rc = db_run(q, info);
	if (rc == 0 && db_changes(d->db) != 1)
		rc = err_set(info, E_NOT_FOUND, "nothing is known that this mailbox should have");
	rc = directory_end(d, rc, info);
	if (rc != 0)
		return rc;
	log_warn(d->log, "directory.mailbox_accepted", F_TEXT("mailbox", mailbox.id));
	Pk__MailboxState reply = PK__MAILBOX_STATE__INIT;
	reply.mailbox = mailbox.id;
	link_pack(request->reply, &reply.base);
	return 0;
}

const struct method directory_method_mailbox_accept = {
	.core.number = PK__DIRECTORY_METHOD__DIRECTORY_MAILBOX_ACCEPT,
	.core.name = "mailbox_accept",
	.core.roles = ROLE_CLI,
	.core.request = &pk__alias_request__descriptor,
	.run = mailbox_accept_run,
};
