#include "store/deliver.h"

#include <stdlib.h>

#include "base/mem.h"
#include "store/group.h"
#include "store/internal.h"

const struct method store_method_deliver = {
	.core.number = PK__STORE_METHOD__STORE_DELIVER,
	.core.name = "deliver",
	.core.roles = ROLE_SMTP | ROLE_CLI,
	.core.upload = true,
	.core.request = &pk__deliver_request__descriptor,
	.core.items_max = REQUEST_PARTS_MAX,
	.core.aside = true,
	.fills = true,
	.scope = METHOD_TARGETS,
	.grouped = true,
	.run = group_run,
};

static void answer(struct delivery *delivery)
{
	Pk__DeliverReply reply = PK__DELIVER_REPLY__INIT;
	Pk__DeliverReply__Result *results = mem_new_array(delivery->count, sizeof(*results));
	Pk__DeliverReply__Result **pointers = mem_new_array(delivery->count,
	                                                    sizeof(Pk__DeliverReply__Result *));
	for (size_t i = 0; i < delivery->count; i++) {
		pk__deliver_reply__result__init(&results[i]);
		results[i].error = delivery->results[i].error;
		results[i].sealed = delivery->results[i].sealed;
		if (delivery->results[i].text != NULL)
			results[i].text = delivery->results[i].text;
		pointers[i] = &results[i];
	}
	reply.n_results = delivery->count;
	reply.results = pointers;
	link_reply(delivery->inbound, &reply.base);
	free(results);
	free(pointers);
}

static void delivery_free(struct delivery *delivery)
{
	for (size_t i = 0; i < delivery->count; i++)
		free(delivery->results[i].text);
	protobuf_c_message_free_unpacked(delivery->message, NULL);
	free(delivery);
}

static void record(struct delivery *delivery, size_t target, int error, bool sealed,
                   const char *text)
{
	delivery->results[target].error = error;
	delivery->results[target].sealed = sealed;
	if (text != NULL && text[0] != '\0')
		delivery->results[target].text = str_dup(str_from(text));
}

/* Answers once nobody is waited for any more. */
static void one_less(struct delivery *delivery)
{
	if (--delivery->pending > 0)
		return;
	answer(delivery);
	delivery_free(delivery);
}

void deliver_done(struct request *request)
{
	record(request->delivery, request->target, request->error, request->sealed,
	       request->error == 0 ? NULL : request->info.text);
	one_less(request->delivery);
}

void deliver_start(struct store *store, struct link_inbound *inbound, ProtobufCMessage *message)
{
	Pk__DeliverRequest *deliver = (Pk__DeliverRequest *)message;
	size_t count = deliver->n_targets;
	if (count == 0 || count > DELIVER_TARGETS_MAX) {
		link_reply_error(inbound, E_INVALID, "a delivery to nobody, or to too many");
		protobuf_c_message_free_unpacked(message, NULL);
		return;
	}
	struct delivery *delivery = mem_new(sizeof(*delivery) + count * sizeof(delivery->results[0]));
	delivery->inbound = inbound;
	delivery->message = message;
	delivery->count = count;
	delivery->pending = 1; /* until all are started */
	for (size_t i = 0; i < count; i++) {
		struct str id = str_from(deliver->targets[i]->mailbox);
		if (mailbox_id_valid(id) && deliver->targets[i]->delivery_id.len == 16) {
			delivery->pending++;
			store_start_target(store, delivery, i, id);
		} else {
			record(delivery, i, E_INVALID, false, "not a mailbox and a delivery id");
		}
	}
	one_less(delivery);
}

/* ---------------------------------------------------------------- long ones */

/* It is for several mailboxes, so it is in a line of its own until it is known for which. */
struct arrival {
	struct task task;
	struct turn turn;
	struct store *store;
	struct link_inbound *inbound;
	ProtobufCMessage *message;
	int error;
	struct errinfo info;
};

static enum task_outcome arrival_run(struct worker *worker, struct task *task)
{
	struct arrival *arrival = container_of(task, struct arrival, task);
	(void)worker;
	arrival->error = core_unpack(&store_method_deliver.core, arrival->inbound, &arrival->message,
	                             &arrival->info);
	return TASK_DONE;
}

static void arrival_done(struct task *task)
{
	struct arrival *arrival = container_of(task, struct arrival, task);
	struct store *store = arrival->store;
	store->arrivals--;
	if (arrival->error == 0)
		deliver_start(store, arrival->inbound, arrival->message);
	else
		link_reply_error(arrival->inbound, arrival->error, arrival->info.text);
	free(arrival);
	if (store->stopping)
		store_stop_further(store);
}

void deliver_arrive(struct store *store, struct link_inbound *inbound)
{
	struct arrival *arrival = mem_new(sizeof(*arrival));
	arrival->store = store;
	arrival->inbound = inbound;
	turn_init(&arrival->turn);
	arrival->task.turn = &arrival->turn;
	arrival->task.run = arrival_run;
	arrival->task.done = arrival_done;
	store->arrivals++;
	task_start(store->pool, &arrival->task);
}
