#include "smtp/transaction.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"

struct smtp_transaction *smtp_transaction_new(const struct front *front,
                                              const struct smtp_path *reverse_path, bool utf8,
                                              size_t target_max)
{
	struct smtp_transaction *transaction = mem_new(sizeof(*transaction));

	transaction->front = front;
	transaction->reverse_path = str_dup(reverse_path->mailbox);
	transaction->utf8 = utf8;
	transaction->target_max = target_max;
	smtp_data_init(&transaction->data);
	return transaction;
}

void smtp_transaction_free(struct smtp_transaction *transaction)
{
	if (transaction == NULL)
		return;
	smtp_transaction_drop(transaction);
	free(transaction->reverse_path);
	free(transaction->recipient);
	free(transaction->targets);
	free(transaction);
}

void smtp_transaction_add(struct smtp_transaction *transaction, struct str recipient,
                          const struct smtp_target *target)
{
	must(transaction->recipient_count < transaction->target_max);
	if (transaction->recipient_count++ == 0)
		transaction->recipient = str_dup(recipient);
	for (size_t i = 0; i < transaction->target_count; i++)
		if (str_eq(str_from(transaction->targets[i].mailbox), str_from(target->mailbox)))
			return;
	transaction->targets = mem_grow(transaction->targets, transaction->target_count + 1,
	                                sizeof(*target));
	transaction->targets[transaction->target_count++] = *target;
}

void smtp_transaction_drop(struct smtp_transaction *transaction)
{
	buf_done(&transaction->message);
	budget_release(&transaction->ticket, front_now_ms(transaction->front));
}

/* As much as buf_reserve may come to hold. */
bool smtp_transaction_room(struct smtp_transaction *transaction, size_t incoming)
{
	const struct buf *message = &transaction->message;
	size_t need = message->len + incoming;
	size_t grown = message->cap + message->cap / 2;

	if (need <= message->cap)
		return true;
	if (need > message->max)
		need = message->max;
	if (grown > message->max)
		grown = message->max;
	return budget_take(&transaction->ticket, need > grown ? need : grown,
	                   front_now_ms(transaction->front));
}

struct str smtp_transaction_content(const struct smtp_transaction *transaction)
{
	return str_from_byte(buf_str(&transaction->message), transaction->trace_size);
}
