/* EXPUNGE and UID EXPUNGE (RFC 4315). */

#include "imap/command.h"
#include "imap/sync.h"

struct expunge {
	struct seqset set;
};

static bool uid_expunge_parse(struct imap_parse *in, struct imap_client *client)
{
	struct expunge *args = imap_args(in, client, sizeof(*args));
	return args != NULL && imap_space(in) && imap_sequence_set(in, &args->set);
}

static void expunged(struct imap_client *client, const struct imap_answer *answer)
{
	const Pk__ExpungeReply *reply = answer->message;
	if (reply == NULL) {
		imap_finish_error(client, IMAP_FAILED_COMMAND, answer->error, answer->text);
		return;
	}
	struct imap_untagged to;
	const struct view_listener listener = imap_listener(client, &to, true);
	view_expunged(client->folder, reply->expunged, reply->n_expunged, &listener);
	imap_saw_modseq(client, reply->highest_modseq);
	/* The first of two attempts may have removed more than the second tells. */
	client->folder->dirty |= answer->repeated;
	imap_finish(client, NULL, "Expunged");
}

static void expunge_start(struct imap_client *client)
{
	struct expunge *args = client->args;
	Pk__ExpungeRequest *request = arena_alloc(client->arena, sizeof(*request));
	if (request == NULL) {
		imap_finish_error(client, IMAP_FAILED_COMMAND, E_TOO_LARGE, STR(""));
		return;
	}
	pk__expunge_request__init(request);
	request->folder = client->folder->id;
	request->all = args == NULL;
	if (request->all || imap_command_uids(client, &args->set, &request->uids, &request->n_uids))
		imap_ask(client, &(struct imap_question){
							 .method = PK__STORE_METHOD__STORE_EXPUNGE,
							 .body = &request->base,
							 .reply_type = &pk__expunge_reply__descriptor,
							 .answered = expunged,
						 });
}

const struct imap_command imap_cmd_expunge = {
	.name = "EXPUNGE",
	.rfc = "RFC 9051 6.4.3",
	.states = IMAP_SELECTED,
	.effects = IMAP_MAY_EXPUNGE | IMAP_WRITES,
	.start = expunge_start,
};

const struct imap_command imap_cmd_uid_expunge = {
	.name = "UID EXPUNGE",
	.rfc = "RFC 9051 6.4.9",
	.states = IMAP_SELECTED,
	.effects = IMAP_MAY_EXPUNGE | IMAP_WRITES | IMAP_UID,
	.parse = uid_expunge_parse,
	.start = expunge_start,
};
