#include "smtp/deliver.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "front/describing.h"
#include "smtp/answer.h"

struct smtp_delivery {
	TAILQ_ENTRY(smtp_delivery) deliveries;
	struct smtp_front *front;
	struct smtp_transaction *transaction; /* owned */
	struct smtp_session *session;         /* NULL when it is gone */
	struct smtp_seed seed;
	int64_t started_ms;
	struct describing describing;
};

static void remember(struct smtp_delivery *delivery)
{
	smtp_retry_remember(delivery->front->retry, str_from(delivery->transaction->reverse_path),
	                    smtp_transaction_content(delivery->transaction),
	                    front_now_ms(&delivery->front->common), &delivery->seed);
}

static void delivery_done(struct smtp_delivery *delivery)
{
	TAILQ_REMOVE(&delivery->front->deliveries, delivery, deliveries);
	describing_done(&delivery->describing);
	smtp_transaction_free(delivery->transaction);
	free(delivery);
}

void smtp_deliver_forsake(struct smtp_delivery *delivery)
{
	delivery->session = NULL;
	remember(delivery);
}

static void log_result(const struct smtp_delivery *delivery, enum smtp_reply_id answer, int error)
{
	const struct log *log = delivery->front->common.role->log;
	const struct smtp_transaction *transaction = delivery->transaction;
	int64_t ms = front_now_ms(&delivery->front->common) - delivery->started_ms;

	if (answer == SMTP_REPLY_ACCEPTED) {
		log_info(log, "smtp.delivered", F_TEXT("id", transaction->id),
		         F_TEXT("mailbox", transaction->targets[0].mailbox),
		         F_INT("mailboxes", transaction->target_count),
		         F_INT("size", transaction->message.len), F_INT("ms", ms));
		return;
	}
	log_warn(log, "smtp.not_delivered", F_TEXT("id", transaction->id),
	         F_TEXT("mailbox", transaction->targets[0].mailbox),
	         F_INT("mailboxes", transaction->target_count), F_ERR(error),
	         F_INT("code", smtp_reply(answer)->code),
	         F_TEXT("enhanced", smtp_reply(answer)->enhanced), F_INT("ms", ms));
}

static void answered(void *ctx, int error, struct str text, struct str body)
{
	struct smtp_delivery *delivery = ctx;
	struct smtp_front *front = delivery->front;
	struct smtp_transaction *transaction = delivery->transaction;
	struct smtp_session *session = delivery->session;
	ProtobufCMessage *message = error != 0 ? NULL
	                                       : link_unpack(&pk__deliver_reply__descriptor, body,
	                                                     WIRE_ITEMS_MANY);
	enum smtp_reply_id answer;

	(void)text;
	answer = smtp_answer(error, (const Pk__DeliverReply *)message, transaction->target_count);
	log_result(delivery, answer, smtp_answer_reason(error, (const Pk__DeliverReply *)message));
	if (message != NULL)
		protobuf_c_message_free_unpacked(message, NULL);
	if (answer != SMTP_REPLY_ACCEPTED) {
		remember(delivery);
		smtp_resolver_clear(front->resolver);
	} else if (session != NULL) {
		smtp_retry_forget(front->retry, str_from(transaction->reverse_path),
		                  smtp_transaction_content(transaction));
	}
	/* The answer before the memory: releasing that may set others going. */
	if (session != NULL)
		smtp_delivered(session, answer, transaction->id);
	delivery_done(delivery);
	front_settle(&front->common);
}

/* Fills in the targets; ids has SMTP_DELIVERY_ID_SIZE bytes for each. */
static void fill_targets(const struct smtp_delivery *delivery, Pk__DeliverTarget *targets,
                         Pk__DeliverTarget **pointers, unsigned char *ids)
{
	const struct smtp_transaction *transaction = delivery->transaction;

	for (size_t i = 0; i < transaction->target_count; i++) {
		struct smtp_target *from = &transaction->targets[i];
		unsigned char *id = ids + i * SMTP_DELIVERY_ID_SIZE;

		smtp_delivery_id(&delivery->seed, str_from(from->mailbox), id);
		pk__deliver_target__init(&targets[i]);
		targets[i].mailbox = from->mailbox;
		targets[i].public_key = (ProtobufCBinaryData){SMTP_KEY_SIZE, from->public_key};
		targets[i].delivery_id = (ProtobufCBinaryData){SMTP_DELIVERY_ID_SIZE, id};
		targets[i].quota_bytes = from->quota_bytes;
		pointers[i] = &targets[i];
	}
}

static void call_store(struct smtp_delivery *delivery, Pk__Description *description)
{
	struct smtp_transaction *transaction = delivery->transaction;
	size_t count = transaction->target_count;
	Pk__DeliverTarget *targets MEM_AUTO = mem_new_array(count, sizeof(*targets));
	Pk__DeliverTarget **pointers MEM_AUTO = mem_new_array(count, sizeof(Pk__DeliverTarget *));
	unsigned char *ids MEM_AUTO = mem_new_array(count, SMTP_DELIVERY_ID_SIZE);
	Pk__DeliverRequest body = PK__DELIVER_REQUEST__INIT;
	struct link_request request = {
		.method = PK__STORE_METHOD__STORE_DELIVER,
		.body = &body.base,
		.kind = LINK_IDEMPOTENT,
		.patience = &transaction->patience,
		.upload = buf_str(&transaction->message),
		.ctx = delivery,
		.reply = answered,
	};

	fill_targets(delivery, targets, pointers, ids);
	body.targets = pointers;
	body.n_targets = count;
	body.description = description;
	body.internal_date = clock_realtime_us() / 1000000;
	link_call(delivery->front->store, &request);
}

/* The message counts more than its description. */
static void hand_over(struct smtp_delivery *delivery)
{
	Pk__Description nothing = PK__DESCRIPTION__INIT;
	Pk__Description *description = delivery->describing.description;
	nothing.damaged = true;
	if (description == NULL)
		description = &nothing;
	/* The link keeps the request, packed, until it is answered. */
	budget_add(&delivery->transaction->ticket, pk__description__get_packed_size(description));
	call_store(delivery, description);
	describing_done(&delivery->describing);
}

static void described(struct describing *describing)
{
	hand_over(container_of(describing, struct smtp_delivery, describing));
}

struct smtp_delivery *smtp_deliver(struct smtp_front *front, struct smtp_transaction *transaction,
                                   struct smtp_session *session)
{
	struct smtp_delivery *delivery = mem_new(sizeof(*delivery));

	delivery->front = front;
	delivery->transaction = transaction;
	delivery->session = session;
	delivery->started_ms = front_now_ms(&front->common);
	smtp_retry_seed(front->retry, str_from(transaction->reverse_path),
	                smtp_transaction_content(transaction), delivery->started_ms, &delivery->seed);
	TAILQ_INSERT_TAIL(&front->deliveries, delivery, deliveries);
	if (describing_begin(&delivery->describing, front->common.background,
	                     buf_str(&transaction->message), described))
		hand_over(delivery);
	return delivery;
}
