#include "store/group.h"

#include "base/mem.h"
#include "store/aside.h"
#include "store/batch.h"
#include "store/deliver.h"
#include "store/server.h"
#include "store/temporary.h"
#include "store/turn.h"

struct group {
	struct request *members[BATCH_COUNT_MAX]; /* the leader first */
	struct batch_result results[BATCH_COUNT_MAX];
	size_t count;
};

/* ---------------------------------------------------------------- members */

static bool may_join(const struct task *task)
{
	const struct method *method = request_method(task);
	return method != NULL && method->grouped;
}

static void fail(struct request *member, int error, const struct errinfo *info)
{
	member->error = error;
	member->info = *info;
}

static void append_item(const struct request *member, struct batch_item *ret)
{
	const Pk__AppendRequest *message = (const Pk__AppendRequest *)member->message;
	*ret = (struct batch_item){
		.folder = str_from(message->name),
		.flags = message->flags,
		.keywords = message->keywords,
		.keyword_count = message->n_keywords,
		.internal_date = message->internal_date,
		.delivery_id = STR_OF_BYTES(message->append_id),
		.description = message->description,
		.raw = member->upload,
		.quota = member->session->quota,
	};
}

static void deliver_item(const struct request *member, struct batch_item *ret)
{
	const Pk__DeliverRequest *message = (const Pk__DeliverRequest *)member->message;
	const Pk__DeliverTarget *target = message->targets[member->target];
	*ret = (struct batch_item){
		.folder = target->folder[0] == '\0' ? STR("INBOX") : str_from(target->folder),
		.or_inbox = true,
		.internal_date = message->internal_date,
		.delivery_id = STR_OF_BYTES(target->delivery_id),
		.description = message->description,
		.raw = member->upload,
		.quota = target->quota_bytes,
	};
}

/* ---------------------------------------------------------------- into the mailbox */

static void add_member(struct batch *batch, struct request *member, struct batch_result *result)
{
	struct batch_item item;
	if (request_cancelled(member) && member->delivery == NULL) {
		member->error = err_set(&member->info, E_CANCELLED, "nobody waits for this any more");
		return;
	}
	member->error = request_unpack(member);
	if (member->error != 0)
		return;
	if (member->delivery != NULL)
		deliver_item(member, &item);
	else
		append_item(member, &item);
	member->error = batch_add(batch, &item, result, &member->info);
}

/* Everybody of a transaction that failed gets its error. */
static void fail_all(struct group *group, int error, const struct errinfo *info)
{
	for (size_t i = 0; i < group->count; i++)
		if (group->members[i]->error == 0)
			fail(group->members[i], error, info);
}

static void answer_member(struct request *member, const struct batch_result *result)
{
	if (member->error != 0)
		return;
	if (!result->repeated)
		request_changed(member, (uint64_t)result->folder, result->modseq, true);
	if (member->delivery != NULL)
		return;
	Pk__AppendReply reply = PK__APPEND_REPLY__INIT;
	reply.uid_validity = result->uid_validity;
	reply.uid = result->uid;
	member->error = request_reply(member, &reply.base);
}

static void run_open(struct group *group)
{
	struct request *leader = group->members[0];
	struct batch batch;
	struct errinfo info = {0};
	int rc = batch_begin(&batch, leader->mailbox, leader->packer, &info);
	for (struct request *member = leader; member != NULL && rc == 0;) {
		size_t at = group->count;
		group->members[at] = member;
		group->count++;
		add_member(&batch, member, &group->results[at]);
		if (batch.broken) {
			rc = member->error;
			info = member->info;
			batch_rollback(&batch);
		}
		member = rc == 0 && group->count < BATCH_COUNT_MAX && !batch_full(&batch)
		             ? request_take_next(leader, may_join)
		             : NULL;
	}
	if (rc == 0)
		rc = batch_commit(&batch, &info);
	if (group->count == 0)
		group->count = 1; /* it did not even begin */
	if (rc != 0)
		fail_all(group, rc, &info);
	for (size_t i = 0; i < group->count; i++)
		answer_member(group->members[i], &group->results[i]);
}

/* ---------------------------------------------------------------- into the temporary mailbox */

static void seal_member(struct request *member, bool *ret_broken)
{
	struct batch_item item;
	deliver_item(member, &item);
	const Pk__DeliverRequest *message = (const Pk__DeliverRequest *)member->message;
	struct sealed_item sealed = {
		.public_key = STR_OF_BYTES(message->targets[member->target]->public_key),
		.delivery_id = item.delivery_id,
		.folder = item.folder,
		.internal_date = item.internal_date,
		.description = item.description,
		.raw = item.raw,
		.quota = item.quota,
	};
	member->error = temporary_add(member->mailbox, member->packer, &sealed, ret_broken,
	                              &member->info);
	member->sealed = member->error == 0;
}

static void run_sealed(struct group *group)
{
	struct request *leader = group->members[0];
	struct errinfo info = {0};
	uint64_t bytes = 0;
	int rc = temporary_begin(leader->mailbox, &info);
	for (struct request *member = leader; member != NULL && rc == 0;) {
		group->members[group->count++] = member;
		bytes += member->upload.len;
		bool broken = false;
		if (member->delivery == NULL)
			member->error = err_set(&member->info, E_STALE, "the mailbox is not open");
		else
			seal_member(member, &broken);
		if (broken) {
			rc = member->error;
			info = member->info;
			db_rollback(leader->mailbox->temporary);
		}
		member = rc == 0 && group->count < BATCH_COUNT_MAX && bytes < BATCH_BYTES_MAX
		             ? request_take_next(leader, may_join)
		             : NULL;
	}
	if (rc == 0)
		rc = temporary_commit(leader->mailbox, &info);
	/* Nothing more goes into a damaged file: whoever tries again finds a new one. */
	struct errinfo aside = {0};
	if (rc == E_CORRUPT && aside_put(leader->mailbox, &aside) != 0)
		info = aside;
	if (group->count == 0)
		group->count = 1; /* it did not even begin */
	if (rc != 0)
		fail_all(group, rc, &info);
}

/* ---------------------------------------------------------------- both */

int group_run(struct request *leader)
{
	struct group group = {.members = {leader}};
	struct mailbox *mailbox = leader->mailbox;
	struct errinfo info = {0};
	int rc = mailbox->has_key ? mailbox_ready(mailbox, &info) : E_STALE;
	/* Mail for a damaged mailbox waits beside it, sealed, until that is mended. */
	if (rc == 0)
		run_open(&group);
	else if (leader->delivery != NULL && (rc == E_STALE || rc == E_CORRUPT))
		run_sealed(&group);
	else
		fail(leader, rc, &info);
	for (size_t i = 1; i < group.count; i++) {
		request_free_message(group.members[i]);
		task_finish(leader->worker, &group.members[i]->task);
	}
	return leader->error;
}
