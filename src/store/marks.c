#include "store/marks.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/must.h"
#include "directory.pb-c.h"
#include "store/mailbox.h"

enum {
	TOLD_AT_ONCE = 500,
	TELL_DEADLINE_MS = 30 * 1000,
	FLUSH_DEADLINE_MS = 2 * 1000,
	ASK_DEADLINE_MS = 10 * 1000,
};

struct untold {
	char mailbox[MAILBOX_ID_SIZE + 1];
	struct mark mark; /* unless it is not known */
	struct wait_marks waits;
	bool sent; /* what is under way says the same */
};

struct marks {
	struct link *directory;
	struct map *untold; /* by mailbox id; values are owned */
	struct link_call *telling;
	void (*missing)(void *ctx, const char *mailbox, uint64_t messages);
	void *missing_ctx;
	void (*flushed)(void *ctx);
	void *flushed_ctx;
};

struct marks_question {
	struct marks *marks;
	char mailbox[MAILBOX_ID_SIZE + 1];
	struct link_call *call;
	void (*answered)(void *ctx, int error, const struct mark *mark, const struct wait_marks *waits);
	void *ctx;
};

struct marks *marks_new(struct link *directory,
                        void (*missing)(void *ctx, const char *mailbox, uint64_t messages),
                        void *ctx)
{
	struct marks *marks = mem_new(sizeof(*marks));
	marks->directory = directory;
	marks->missing = missing;
	marks->missing_ctx = ctx;
	marks->untold = map_new();
	return marks;
}

void marks_free(struct marks *marks)
{
	if (marks == NULL)
		return;
	if (marks->telling != NULL)
		link_call_cancel(marks->telling);
	size_t position = 0;
	struct str key;
	void *untold;
	while (map_next(marks->untold, &position, &key, &untold))
		free(untold);
	map_free(marks->untold);
	free(marks);
}

static struct untold *untold_of(struct marks *marks, const char *mailbox)
{
	struct untold *untold = map_get(marks->untold, str_from(mailbox));
	if (untold == NULL) {
		untold = mem_new(sizeof(*untold));
		for (size_t i = 0; i < MAILBOX_ID_SIZE; i++)
			untold->mailbox[i] = mailbox[i];
		map_put(marks->untold, str_from(untold->mailbox), untold);
	}
	untold->sent = false;
	return untold;
}

void marks_put(struct marks *marks, const char *mailbox, const struct mark *mark)
{
	untold_of(marks, mailbox)->mark = *mark;
}

void marks_put_waits(struct marks *marks, const char *mailbox, const struct wait_marks *waits)
{
	struct untold *untold = untold_of(marks, mailbox);
	for (size_t i = 0; i < waits->count; i++)
		wait_marks_put(&untold->waits, &waits->items[i]);
}

/* ---------------------------------------------------------------- telling */

/* What goes into one request. */
struct telling {
	struct untold *picked[TOLD_AT_ONCE];
	size_t count;
	Pk__MailboxState states[TOLD_AT_ONCE], *state_pointers[TOLD_AT_ONCE];
	Pk__WaitingState waiting[TOLD_AT_ONCE], *waiting_pointers[TOLD_AT_ONCE];
	Pk__MailboxStates request;
};

static void add_state(struct telling *telling, struct untold *untold)
{
	Pk__MailboxState *state = &telling->states[telling->request.n_states];
	const struct mark *mark = &untold->mark;
	pk__mailbox_state__init(state);
	state->mailbox = untold->mailbox;
	state->generation = mark->generation;
	state->uid_validity = mark->uid_validity;
	state->modseq = mark->modseq;
	state->uids = mark->uids;
	state->messages = mark->messages;
	telling->state_pointers[telling->request.n_states++] = state;
}

static void add_waiting(struct telling *telling, struct untold *untold,
                        const struct wait_mark *mark)
{
	Pk__WaitingState *state = &telling->waiting[telling->request.n_waiting];
	pk__waiting_state__init(state);
	state->mailbox = untold->mailbox;
	state->file = mark->file;
	state->rows = mark->rows;
	state->since = mark->since;
	state->opened = mark->opened;
	state->over = mark->over;
	telling->waiting_pointers[telling->request.n_waiting++] = state;
}

static void pick(struct marks *marks, struct telling *telling)
{
	size_t position = 0;
	struct str key;
	void *value;
	pk__mailbox_states__init(&telling->request);
	telling->request.states = telling->state_pointers;
	telling->request.waiting = telling->waiting_pointers;
	while (telling->request.n_states < TOLD_AT_ONCE &&
	       telling->request.n_waiting + WAITS_MAX <= TOLD_AT_ONCE &&
	       telling->count < TOLD_AT_ONCE && map_next(marks->untold, &position, &key, &value)) {
		struct untold *untold = value;
		telling->picked[telling->count++] = untold;
		untold->sent = true;
		if (untold->mark.known)
			add_state(telling, untold);
		for (size_t i = 0; i < untold->waits.count; i++)
			add_waiting(telling, untold, &untold->waits.items[i]);
	}
}

static void end_flush(struct marks *marks)
{
	void (*flushed)(void *ctx) = marks->flushed;
	marks->flushed = NULL;
	if (flushed != NULL)
		flushed(marks->flushed_ctx);
}

static void tell(struct marks *marks);

/* Forgets what was told and has not changed since. */
static void forget_sent(struct marks *marks)
{
	struct untold *sent[TOLD_AT_ONCE];
	size_t count = 0, position = 0;
	struct str key;
	void *value;
	while (count < TOLD_AT_ONCE && map_next(marks->untold, &position, &key, &value)) {
		struct untold *untold = value;
		if (untold->sent)
			sent[count++] = untold;
	}
	for (size_t i = 0; i < count; i++) {
		map_remove(marks->untold, str_from(sent[i]->mailbox));
		free(sent[i]);
	}
}

/* What the directory has found missing. */
static void hear(const struct marks *marks, struct str body)
{
	ProtobufCMessage *message = link_unpack(&pk__mailbox_states__descriptor, body, WIRE_ITEMS_FEW);
	if (message == NULL)
		return;
	const Pk__MailboxStates *reply = (const Pk__MailboxStates *)message;
	for (size_t i = 0; i < reply->n_waiting; i++)
		marks->missing(marks->missing_ctx, reply->waiting[i]->mailbox, reply->waiting[i]->lost);
	protobuf_c_message_free_unpacked(message, NULL);
}

static void told(void *ctx, int error, struct str text, struct str body)
{
	struct marks *marks = ctx;
	(void)text;
	marks->telling = NULL;
	if (error == 0) {
		hear(marks, body);
		forget_sent(marks);
	}
	/* On an error the next tick tries again; who stops does not wait for that. */
	if (error != 0 || map_count(marks->untold) == 0)
		end_flush(marks);
	else if (marks->flushed != NULL)
		tell(marks);
}

static void tell(struct marks *marks)
{
	struct telling *telling MEM_AUTO = mem_new(sizeof(*telling));
	pick(marks, telling);
	marks->telling = link_call(
		marks->directory,
		&(struct link_request){
			.method = PK__DIRECTORY_METHOD__DIRECTORY_MAILBOX_STATE_SET,
			.body = &telling->request.base,
			.kind = LINK_IDEMPOTENT,
			.deadline_ms = marks->flushed != NULL ? FLUSH_DEADLINE_MS : TELL_DEADLINE_MS,
			.ctx = marks,
			.reply = told,
		});
}

void marks_tell(struct marks *marks)
{
	if (marks->telling == NULL && map_count(marks->untold) > 0 && link_connected(marks->directory))
		tell(marks);
}

void marks_flush(struct marks *marks, void (*done)(void *ctx), void *ctx)
{
	must(marks->flushed == NULL);
	marks->flushed = done;
	marks->flushed_ctx = ctx;
	if (marks->telling != NULL)
		link_call_cancel(marks->telling);
	marks->telling = NULL;
	if (map_count(marks->untold) == 0 || !link_connected(marks->directory))
		end_flush(marks);
	else
		tell(marks);
}

/* ---------------------------------------------------------------- asking */

static void answer(struct marks_question *question, int error, const struct mark *mark,
                   const struct wait_marks *waits)
{
	struct marks_question asked = *question;
	free(question);
	asked.answered(asked.ctx, error, mark, waits);
}

static void came(void *ctx, int error, struct str text, struct str body)
{
	struct marks_question *question = ctx;
	struct mark mark = {0};
	struct wait_marks waits = {0};
	(void)text;
	ProtobufCMessage *message = error != 0 ? NULL
	                                       : link_unpack(&pk__mailbox_state__descriptor, body,
	                                                     WIRE_ITEMS_FEW);
	if (message == NULL) {
		answer(question, E_UNAVAILABLE, &mark, &waits);
		return;
	}
	const Pk__MailboxState *state = (const Pk__MailboxState *)message;
	mark = (struct mark){
		.known = state->known,
		.accepting = state->accepting,
		.generation = state->generation,
		.uid_validity = state->uid_validity,
		.modseq = state->modseq,
		.uids = state->uids,
		.messages = state->messages,
	};
	for (size_t i = 0; i < state->n_waiting; i++) {
		const Pk__WaitingState *waiting = state->waiting[i];
		const struct wait_mark known = {
			.file = waiting->file, .rows = waiting->rows, .lost = waiting->lost};
		wait_marks_put(&waits, &known);
	}
	protobuf_c_message_free_unpacked(message, NULL);
	/* What is not told yet of mail that waits: the answer says less then, and never too much. */
	const struct untold *untold = map_get(question->marks->untold, str_from(question->mailbox));
	if (untold != NULL && mark_newer(&untold->mark, &mark))
		mark = untold->mark;
	answer(question, 0, &mark, &waits);
}

struct marks_question *marks_ask(struct marks *marks, const char *mailbox,
                                 void (*answered)(void *ctx, int error, const struct mark *mark,
                                                  const struct wait_marks *waits),
                                 void *ctx)
{
	struct marks_question *question = mem_new(sizeof(*question));
	question->marks = marks;
	for (size_t i = 0; i < MAILBOX_ID_SIZE; i++)
		question->mailbox[i] = mailbox[i];
	question->answered = answered;
	question->ctx = ctx;
	Pk__MailboxStateRequest request = PK__MAILBOX_STATE_REQUEST__INIT;
	request.mailbox = question->mailbox;
	question->call = link_call(marks->directory,
	                           &(struct link_request){
								   .method = PK__DIRECTORY_METHOD__DIRECTORY_MAILBOX_STATE_GET,
								   .body = &request.base,
								   .kind = LINK_IDEMPOTENT,
								   .deadline_ms = ASK_DEADLINE_MS,
								   .ctx = question,
								   .reply = came,
							   });
	return question;
}

void marks_give_up(struct marks_question *question)
{
	struct mark none = {0};
	struct wait_marks no_waits = {0};
	link_call_cancel(question->call);
	answer(question, E_UNAVAILABLE, &none, &no_waits);
}
