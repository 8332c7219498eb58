/* STATUS. */

#include "imap/command.h"
#include "imap/status.h"

static const struct {
	struct str name;
	size_t offset;
	bool wide; /* 64 bits in the reply, else 32 */
} items[] = {
	{STR("MESSAGES"), offsetof(Pk__FolderStatusReply, messages), false},
	{STR("RECENT"), offsetof(Pk__FolderStatusReply, recent), false},
	{STR("UIDNEXT"), offsetof(Pk__FolderStatusReply, uid_next), false},
	{STR("UIDVALIDITY"), offsetof(Pk__FolderStatusReply, uid_validity), false},
	{STR("UNSEEN"), offsetof(Pk__FolderStatusReply, unseen), false},
	{STR("DELETED"), offsetof(Pk__FolderStatusReply, deleted), false},
	{STR("SIZE"), offsetof(Pk__FolderStatusReply, size), true},
	{STR("HIGHESTMODSEQ"), offsetof(Pk__FolderStatusReply, highest_modseq), true},
};

enum { ITEM_COUNT = sizeof(items) / sizeof(items[0]), ITEM_MODSEQ = 1 << 7 };

static bool status_item(struct imap_parse *in, unsigned *ret)
{
	for (size_t i = 0; i < ITEM_COUNT; i++) {
		if (imap_word(in, items[i].name)) {
			*ret |= 1u << i;
			return true;
		}
	}
	return imap_parse_fail(in, "Unknown status item");
}

bool imap_status_items(struct imap_parse *in, unsigned *ret)
{
	*ret = 0;
	if (!cursor_byte(&in->c, '('))
		return imap_parse_fail(in, "Expected a list of status items");
	do {
		if (!status_item(in, ret))
			return false;
	} while (imap_space(in));
	return cursor_byte(&in->c, ')');
}

bool imap_status_has_modseq(unsigned set)
{
	return (set & ITEM_MODSEQ) != 0;
}

static uint64_t item_value(const Pk__FolderStatusReply *reply, size_t at)
{
	const char *place = (const char *)reply + items[at].offset;
	return items[at].wide ? *(const uint64_t *)(const void *)place
	                      : *(const uint32_t *)(const void *)place;
}

void imap_status_write(struct buf *out, struct str name, unsigned set, bool utf8,
                       const Pk__FolderStatusReply *reply)
{
	const char *separator = "";
	buf_add_str(out, STR("* STATUS "));
	imap_write_mailbox(out, name, utf8);
	buf_add_str(out, STR(" ("));
	for (size_t i = 0; i < ITEM_COUNT; i++) {
		if ((set & 1u << i) == 0)
			continue;
		buf_add_text(out, separator);
		buf_add_str(out, items[i].name);
		buf_add_byte(out, ' ');
		buf_add_u64(out, item_value(reply, i));
		separator = " ";
	}
	buf_add_str(out, STR(")\r\n"));
}

struct status {
	struct str name;
	unsigned items;
};

/* status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")" */
static bool status_parse(struct imap_parse *in, struct imap_client *client)
{
	struct status *args = imap_args(in, client, sizeof(*args));
	return args != NULL && imap_space(in) && imap_mailbox(in, &args->name) && imap_space(in) &&
	       imap_status_items(in, &args->items);
}

static void status_answered(struct imap_client *client, const struct imap_answer *answer)
{
	const struct status *args = client->args;
	if (answer->message == NULL) {
		imap_finish_error(client, IMAP_FAILED_COMMAND, answer->error, answer->text);
		return;
	}
	if (imap_status_has_modseq(args->items))
		imap_enable_condstore(client);
	imap_status_write(&client->out, args->name, args->items, client->utf8, answer->message);
	imap_finish(client, NULL, "Done");
}

static void status_start(struct imap_client *client)
{
	const struct status *args = client->args;
	Pk__FolderNameRequest *request = arena_alloc(client->arena, sizeof(*request));
	if (request == NULL) {
		imap_finish_error(client, IMAP_FAILED_COMMAND, E_TOO_LARGE, STR(""));
		return;
	}
	pk__folder_name_request__init(request);
	request->name = (char *)args->name.ptr;
	imap_ask(client, &(struct imap_question){
						 .method = PK__STORE_METHOD__STORE_FOLDER_STATUS,
						 .body = &request->base,
						 .reply_type = &pk__folder_status_reply__descriptor,
						 .answered = status_answered,
					 });
}

const struct imap_command imap_cmd_status = {
	.name = "STATUS",
	.rfc = "RFC 9051 6.3.11",
	.states = IMAP_LOGGED_IN,
	.effects = IMAP_MAY_EXPUNGE,
	.parse = status_parse,
	.start = status_start,
};
