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
	struct mark mark;
	bool sent; /* what is under way says the same */
};

struct marks {
	struct link *directory;
	struct map *untold; /* by mailbox id; values are owned */
	struct link_call *telling;
	void (*flushed)(void *ctx);
	void *flushed_ctx;
};

struct marks_question {
	struct marks *marks;
	char mailbox[MAILBOX_ID_SIZE + 1];
	struct link_call *call;
	void (*answered)(void *ctx, int error, const struct mark *mark);
	void *ctx;
};

struct marks *marks_new(struct link *directory)
{
	struct marks *marks = mem_new(sizeof(*marks));
	marks->directory = directory;
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

void marks_put(struct marks *marks, const char *mailbox, const struct mark *mark)
{
	struct untold *untold = map_get(marks->untold, str_from(mailbox));
	if (untold == NULL) {
		untold = mem_new(sizeof(*untold));
		for (size_t i = 0; i < MAILBOX_ID_SIZE; i++)
			untold->mailbox[i] = mailbox[i];
		map_put(marks->untold, str_from(untold->mailbox), untold);
	}
	untold->mark = *mark;
	untold->sent = false;
}

/* ---------------------------------------------------------------- telling */

static size_t pick(struct marks *marks, struct untold *ret[TOLD_AT_ONCE])
{
	size_t count = 0, position = 0;
	struct str key;
	void *untold;
	while (count < TOLD_AT_ONCE && map_next(marks->untold, &position, &key, &untold))
		ret[count++] = untold;
	return count;
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

static void told(void *ctx, int error, struct str text, struct str body)
{
	struct marks *marks = ctx;
	(void)text;
	(void)body;
	marks->telling = NULL;
	if (error == 0)
		forget_sent(marks);
	/* On an error the next tick tries again; who stops does not wait for that. */
	if (error != 0 || map_count(marks->untold) == 0)
		end_flush(marks);
	else if (marks->flushed != NULL)
		tell(marks);
}

static void tell(struct marks *marks)
{
	struct untold *picked[TOLD_AT_ONCE];
	size_t count = pick(marks, picked);
	Pk__MailboxState *states MEM_AUTO = mem_new_array(count, sizeof(*states));
	Pk__MailboxState **pointers MEM_AUTO = mem_new_array(count, sizeof(Pk__MailboxState *));
	for (size_t i = 0; i < count; i++) {
		const struct mark *mark = &picked[i]->mark;
		picked[i]->sent = true;
		pk__mailbox_state__init(&states[i]);
		states[i].mailbox = picked[i]->mailbox;
		states[i].generation = mark->generation;
		states[i].uid_validity = mark->uid_validity;
		states[i].modseq = mark->modseq;
		states[i].uids = mark->uids;
		states[i].messages = mark->messages;
		pointers[i] = &states[i];
	}
	Pk__MailboxStates request = PK__MAILBOX_STATES__INIT;
	request.states = pointers;
	request.n_states = count;
	marks->telling = link_call(
		marks->directory,
		&(struct link_request){
			.method = PK__DIRECTORY_METHOD__DIRECTORY_MAILBOX_STATE_SET,
			.body = &request.base,
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

static void answer(struct marks_question *question, int error, const struct mark *mark)
{
	struct marks_question asked = *question;
	free(question);
	asked.answered(asked.ctx, error, mark);
}

static void came(void *ctx, int error, struct str text, struct str body)
{
	struct marks_question *question = ctx;
	struct mark mark = {0};
	(void)text;
	ProtobufCMessage *message = error != 0 ? NULL
	                                       : link_unpack(&pk__mailbox_state__descriptor, body,
	                                                     WIRE_ITEMS_FEW);
	if (message == NULL) {
		answer(question, E_UNAVAILABLE, &mark);
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
	protobuf_c_message_free_unpacked(message, NULL);
	const struct untold *untold = map_get(question->marks->untold, str_from(question->mailbox));
	if (untold != NULL && mark_newer(&untold->mark, &mark))
		mark = untold->mark;
	answer(question, 0, &mark);
}

struct marks_question *marks_ask(struct marks *marks, const char *mailbox,
                                 void (*answered)(void *ctx, int error, const struct mark *mark),
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
	link_call_cancel(question->call);
	answer(question, E_UNAVAILABLE, &none);
}
