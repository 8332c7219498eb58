#include "store/mark.h"

#include "crypto/digest.h"
#include "store/folder.h"
#include "store/mailbox.h"
#include "store/notice.h"
#include "store/server.h"

bool mark_newer(const struct mark *a, const struct mark *b)
{
	if (!a->known || !b->known)
		return a->known;
	return a->generation != b->generation ? a->generation > b->generation : a->modseq > b->modseq;
}

int mark_read(struct db *db, struct mark *ret, struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "SELECT generation, uid_validity,"
	                                 " modseq_gone + (SELECT coalesce(sum(modseq), 0) FROM folder),"
	                                 " uids_gone + (SELECT coalesce(sum(uid_next), 0) FROM folder),"
	                                 " (SELECT coalesce(sum(messages), 0) FROM folder) FROM meta");
	int rc = db_step(q, info);
	if (rc == 0)
		return err_set(info, E_CORRUPT, "the mailbox has lost its first table");
	if (rc < 0)
		return rc;
	*ret = (struct mark){
		.known = true,
		.generation = (uint32_t)db_int(q, 0),
		.uid_validity = (uint32_t)db_int(q, 1),
		.modseq = (uint64_t)db_int(q, 2),
		.uids = (uint64_t)db_int(q, 3),
		.messages = (uint64_t)db_int(q, 4),
	};
	db_reset(q);
	return 0;
}

void mark_take(struct mailbox *mailbox)
{
	struct errinfo unused;
	struct mark found;
	/* What cannot be read now is told with the next mark. */
	if (mark_read(mailbox->db, &found, &unused) != 0)
		return;
	mailbox->mark = found;
	mailbox->mark_untold = true;
}

/* found has less than was durable before. */
static bool has_less(const struct mark *found, const struct mark *known)
{
	if (found->generation != known->generation)
		return found->generation < known->generation;
	if (found->modseq < known->modseq || found->uids < known->uids ||
	    found->uid_validity < known->uid_validity)
		return true;
	return found->modseq == known->modseq && found->messages != known->messages;
}

static int refuse(struct mailbox *mailbox, const struct mark *found, struct errinfo *info)
{
	const struct mark *known = &mailbox->mark;
	mailbox->has_less = true;
	log_error(store_log(mailbox->store), "store.rolled_back", F_TEXT("mailbox", mailbox->id),
	          F_INT("messages", found->messages), F_INT("messages_before", known->messages),
	          F_INT("modseq", found->modseq), F_INT("modseq_before", known->modseq),
	          F_INT("generation", found->generation),
	          F_INT("generation_before", known->generation));
	return err_set(
		info, E_CORRUPT,
		"the mailbox file has less than was acknowledged: an old copy, or its -wal is lost; "
		"put it right, or have it accepted: postkasse mailbox accept");
}

int mark_check(struct mailbox *mailbox, struct errinfo *info)
{
	const struct mark *known = &mailbox->mark;
	struct mark found;
	if (!known->known)
		return 0;
	int rc = mark_read(mailbox->db, &found, info);
	if (rc != 0)
		return rc;
	if (known->accepting) {
		mailbox->renew_to = found.generation < known->generation ? known->generation : 0;
		return 0;
	}
	return has_less(&found, known) ? refuse(mailbox, &found, info) : 0;
}

/* The same for a repeat, should this be cut short. */
static void notice_id(const struct mailbox *mailbox, unsigned char ret[SHA256_SIZE])
{
	struct buf text BUF_AUTO;
	buf_init(&text, 200);
	buf_addf(&text, "%s rollback %u", mailbox->id, (unsigned)mailbox->renew_to);
	sha256(buf_str(&text), ret);
}

static int write_renewal(struct batch *batch, const struct mark *found, struct errinfo *info)
{
	struct mailbox *mailbox = batch->mailbox;
	unsigned char id[SHA256_SIZE];
	struct batch_result result;
	notice_id(mailbox, id);
	int rc = folder_renew_all(mailbox->db, info);
	if (rc != 0)
		return rc;
	struct db_stmt *q = db_query(mailbox->db, "UPDATE meta SET generation=?1");
	db_bind_int(q, 1, mailbox->renew_to);
	rc = db_run(q, info);
	return rc != 0 ? rc
	               : notice_add_rollback(batch, found->messages, STR_OF(id, DELIVERY_ID_SIZE),
	                                     &result, info);
}

int mark_renew(struct mailbox *mailbox, struct packer *packer, struct errinfo *info)
{
	struct mark found;
	struct batch batch;
	if (mailbox->renew_to == 0)
		return 0;
	int rc = mark_read(mailbox->db, &found, info);
	if (rc == 0)
		rc = batch_begin(&batch, mailbox, packer, info);
	if (rc != 0)
		return rc;
	rc = write_renewal(&batch, &found, info);
	if (rc == 0)
		rc = batch_commit(&batch, info);
	else
		batch_rollback(&batch);
	if (rc != 0)
		return rc;
	mailbox->renew_to = 0;
	log_warn(store_log(mailbox->store), "store.rollback_accepted", F_TEXT("mailbox", mailbox->id),
	         F_INT("messages", found.messages));
	return 0;
}
