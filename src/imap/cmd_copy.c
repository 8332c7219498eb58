/* COPY, MOVE (RFC 6851) and their UID forms. */

#include "crypto/secret.h"
#include "imap/command.h"
#include "imap/sync.h"

enum { COPY_ID_SIZE = 16 /* so that a repeat does nothing and is answered like the first */ };

struct copy {
	struct seqset set;
	struct str to;
};

/* copy = "COPY" SP sequence-set SP mailbox */
static bool copy_parse(struct imap_parse *in, struct imap_client *client)
{
	struct copy *args = imap_args(in, client, sizeof(*args));
	return args != NULL && imap_space(in) && imap_sequence_set(in, &args->set) && imap_space(in) &&
	       imap_mailbox(in, &args->to);
}

static bool moves(const struct imap_client *client)
{
	return client->command == &imap_cmd_move || client->command == &imap_cmd_uid_move;
}

static void write_ranges(struct buf *out, Pk__UidRange *const *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct seq_range range = {ranges[i]->first, ranges[i]->last};
		if (i > 0)
			buf_add_byte(out, ',');
		seq_ranges_format(out, &range, 1);
	}
}

/* "COPYUID validity source target"; the sets are in the order of the copies (RFC 4315 section 3). */
static void write_copyuid(struct buf *out, const Pk__CopyReply *reply)
{
	buf_addf(out, "COPYUID %u ", reply->uid_validity);
	write_ranges(out, reply->source, reply->n_source);
	buf_add_byte(out, ' ');
	write_ranges(out, reply->target, reply->n_target);
}

static void copied(struct imap_client *client, const struct imap_answer *answer)
{
	const struct copy *args = client->args;
	const Pk__CopyReply *reply = answer->message;
	if (reply == NULL) {
		imap_finish_error(client, IMAP_FAILED_TARGET, answer->error, answer->text);
		return;
	}
	struct buf code BUF_AUTO;
	buf_init(&code, 64 * 1024);
	if (reply->n_source > 0)
		write_copyuid(&code, reply);
	struct str line = code.failed || code.len == 0 ? (struct str){NULL, 0}
	                                               : arena_str(client->arena, buf_str(&code));
	bool to_itself = str_eq(args->to, str_from(client->folder->name));
	client->folder->dirty |= to_itself || answer->repeated;
	if (!moves(client)) {
		imap_finish(client, line.ptr, "Copied");
		return;
	}
	/* MOVE tells of the copies before the numbers change. */
	if (line.ptr != NULL)
		buf_addf(&client->out, "* OK [%s] Moved\r\n", line.ptr);
	struct imap_untagged to;
	const struct view_listener listener = imap_listener(client, &to, true);
	view_expunged(client->folder, reply->source, reply->n_source, &listener);
	imap_finish(client, NULL, "Moved");
}

static void copy_start(struct imap_client *client)
{
	struct copy *args = client->args;
	Pk__CopyRequest *request = arena_alloc(client->arena, sizeof(*request));
	unsigned char *id = arena_alloc(client->arena, COPY_ID_SIZE);
	if (request == NULL || id == NULL) {
		imap_finish_error(client, IMAP_FAILED_COMMAND, E_TOO_LARGE, STR(""));
		return;
	}
	pk__copy_request__init(request);
	request->folder = client->folder->id;
	request->to = (char *)args->to.ptr;
	request->move = moves(client);
	random_bytes(id, COPY_ID_SIZE);
	request->copy_id = (ProtobufCBinaryData){COPY_ID_SIZE, id};
	if (imap_command_uids(client, &args->set, &request->uids, &request->n_uids))
		imap_ask(client, &(struct imap_question){
							 .method = PK__STORE_METHOD__STORE_COPY,
							 .body = &request->base,
							 .reply_type = &pk__copy_reply__descriptor,
							 .answered = copied,
						 });
}

const struct imap_command imap_cmd_copy = {
	.name = "COPY",
	.rfc = "RFC 9051 6.4.7",
	.states = IMAP_SELECTED,
	.effects = IMAP_MAY_EXPUNGE,
	.parse = copy_parse,
	.start = copy_start,
};

const struct imap_command imap_cmd_uid_copy = {
	.name = "UID COPY",
	.rfc = "RFC 9051 6.4.9",
	.states = IMAP_SELECTED,
	.effects = IMAP_MAY_EXPUNGE | IMAP_UID,
	.capability = "UIDPLUS",
	.parse = copy_parse,
	.start = copy_start,
};

const struct imap_command imap_cmd_move = {
	.name = "MOVE",
	.rfc = "RFC 9051 6.4.8",
	.states = IMAP_SELECTED,
	.effects = IMAP_MAY_EXPUNGE | IMAP_WRITES,
	.capability = "MOVE",
	.parse = copy_parse,
	.start = copy_start,
};

const struct imap_command imap_cmd_uid_move = {
	.name = "UID MOVE",
	.rfc = "RFC 9051 6.4.9",
	.states = IMAP_SELECTED,
	.effects = IMAP_MAY_EXPUNGE | IMAP_WRITES | IMAP_UID,
	.parse = copy_parse,
	.start = copy_start,
};
