#include <stdlib.h>

#include "base/mem.h"
#include "store/internal.h"
#include "store/temporary.h"

/* OPEN: the key, then what waits in the temporary mailbox, then the session. */

struct opening {
	struct buf new_record;
	bool unlocked;
	struct merged merged;
};

static void opening_free(void *state)
{
	struct opening *opening = state;
	buf_done_wiped(&opening->new_record);
	free(opening);
}

static struct opening *opening_of(struct request *request)
{
	if (request->state == NULL) {
		struct opening *opening = mem_new(sizeof(*opening));
		buf_init(&opening->new_record, KEY_RECORD_MAX);
		request->state = opening;
		request->state_free = opening_free;
	}
	return request->state;
}

/* What is sealed to another public key could never be read: better no session than lost mail. */
static int check_public_key(struct mailbox *mailbox, struct str public_key, struct errinfo *info)
{
	if (public_key.len == 0)
		return 0;
	struct db_stmt *q = db_query(mailbox->db, "SELECT 1 FROM keypair WHERE public=?1");
	db_bind_blob(q, 1, public_key);
	int rc = db_step(q, info);
	if (rc == 0)
		return err_set(info, E_CORRUPT, "the directory has another public key than the mailbox");
	db_reset(q);
	return rc < 0 ? rc : 0;
}

static int unlock(struct request *request, struct opening *opening)
{
	const Pk__OpenRequest *message = (const Pk__OpenRequest *)request->message;
	int rc = request_unlock(request, STR_OF_BYTES(message->mailbox_secret),
	                        STR_OF_BYTES(message->key_record), &opening->new_record);
	if (rc == 0)
		rc = db_read_begin(request->mailbox->db, &request->info);
	if (rc == 0)
		rc = check_public_key(request->mailbox, STR_OF_BYTES(message->public_key), &request->info);
	if (rc == 0)
		rc = mark_renew(request->mailbox, request->packer, &request->info);
	opening->unlocked = rc == 0;
	return rc;
}

/* A temporary mailbox that cannot be read keeps its mail, and nobody out of the rest. */
static bool merge_some(struct request *request, struct opening *opening)
{
	struct errinfo info = {0};
	bool more;
	int rc = temporary_merge(request->mailbox, request->packer, &opening->merged, &more, &info);
	if (rc == 0)
		return more;
	log_error(store_log(request->store), "store.merge_failed",
	          F_TEXT("mailbox", request->mailbox->id), F_ERR(rc), F_TEXT("text", info.text));
	/* Whichever of the two files it was: what follows gets a fresh handle. */
	mailbox_close_handles(request->mailbox);
	return false;
}

static int open_run(struct request *request)
{
	struct opening *opening = opening_of(request);
	int rc = opening->unlocked ? mailbox_ready(request->mailbox, &request->info)
	                           : unlock(request, opening);
	if (rc != 0)
		return rc;
	if (merge_some(request, opening))
		return REQUEST_AGAIN;
	const struct batch_result *last = &opening->merged.last;
	if (last->folder != 0)
		request_changed(request, (uint64_t)last->folder, last->modseq, true);
	Pk__OpenReply reply = PK__OPEN_REPLY__INIT;
	if (request->mailbox->db == NULL) /* after a merge that failed */
		rc = mailbox_ready(request->mailbox, &request->info);
	if (rc == 0)
		rc = mailbox_used_bytes(request->mailbox, &reply.used_bytes, &request->info);
	if (rc != 0)
		return rc;
	reply.session = request->session->id;
	reply.key_record = packed_bytes(buf_str(&opening->new_record));
	reply.merged = opening->merged.count;
	return request_reply(request, &reply.base);
}

const struct method store_method_open = {
	.core.number = PK__STORE_METHOD__STORE_OPEN,
	.core.name = "open",
	.core.roles = ROLE_MAIL | ROLE_CLI,
	.core.request = &pk__open_request__descriptor,
	.scope = METHOD_OPENING,
	.run = open_run,
	.finished = session_opened,
};

/* Needs no turn: what the session still has under way comes to its end by itself. */
const struct method store_method_close = {
	.core.number = PK__STORE_METHOD__STORE_CLOSE,
	.core.name = "close",
	.core.roles = ROLE_MAIL | ROLE_CLI,
	.core.request = &pk__session_request__descriptor,
	.scope = METHOD_CLOSING,
};
