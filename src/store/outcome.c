#include "store/internal.h"
#include "store/marks.h"
#include "store/refused.h"
#include "store/turn.h"

/* What a request has found out about its mailbox, for those who are to know: the directory, the sessions, the
 * operator. */

/* A mailbox that has less than it had is nobody's until that is put right. */
void outcome_tell(struct request *request)
{
	struct mailbox *mailbox = request->mailbox;
	if (request->store->marks != NULL && request->mark.known)
		marks_put(request->store->marks, mailbox->id, &request->mark);
	if (request->store->marks != NULL && request->waits.count > 0)
		marks_put_waits(request->store->marks, mailbox->id, &request->waits);
	if (request->waits_lost > 0)
		refused_note_missing(request->store->refused, mailbox->id, request->waits_lost, true);
	/* Whoever opens it next asks how much waits. */
	if (request->sealed)
		mailbox->vouched = false;
	if (request->has_less) {
		mailbox->vouched = false;
		session_close_all(request->store, mailbox, "the mailbox has less than it had", false);
	} else if (request->error == 0 && request_brings_secret(request->method) &&
	           !request->method->without_mark) {
		mailbox->vouched = true;
	}
	bool opens = request->method != NULL && request->method->scope == METHOD_OPENING;
	if (opens || request->has_less)
		refused_note(request->store->refused, mailbox, request->error, request->has_less,
		             request->info.text);
}
