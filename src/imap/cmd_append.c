/* APPEND. Its message does not go through the command's text: its size is checked against the limit and the
 * process's memory before the client is told to go on. It is described here, because the store parses no mail. */

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "front/budget.h"
#include "front/describing.h"
#include "imap/command.h"
#include "imap/folder.h"
#include "imap/front.h"

struct append {
	struct str name;
	struct imap_flags flags;
	int64_t internal_date;
	uint64_t size;
	bool binary; /* a literal8 (RFC 9051 section 4.3), which may hold NUL */
};

/* Lives from the literal on. */
struct message {
	char *bytes; /* owned; NULL while it waits for memory */
	uint64_t size;
	uint64_t filled;
	struct budget_ticket memory;
	struct front *front;
	struct imap_client *client; /* NULL: it has gone while the message was being described */
	struct describing describing;
};

/* mailbox [SP flag-list] [SP date-time] SP literal, up to the bytes of the literal */
static bool append_arguments(struct imap_parse *in, struct append *args)
{
	if (!imap_space(in) || !imap_mailbox(in, &args->name) || !imap_space(in))
		return false;
	if (cursor_peek(&in->c) == '(' && (!imap_flag_list(in, &args->flags) || !imap_space(in)))
		return false;
	args->internal_date = clock_realtime_us() / 1000000;
	if (cursor_peek(&in->c) == '"' &&
	    (!imap_date_time(in, &args->internal_date) || !imap_space(in)))
		return false;
	args->binary = cursor_peek(&in->c) == '~';
	return imap_literal_header(in, &args->size) ||
	       imap_parse_fail(in, "Expected a literal with the message");
}

static void take_memory(struct message *message)
{
	message->bytes = mem_grow(NULL, message->size + 1, 1);
}

static void granted(void *ctx)
{
	struct imap_client *client = ctx;
	take_memory(client->taken);
	imap_client_go_on(client);
}

static void message_free(struct message *message)
{
	describing_done(&message->describing);
	free(message->bytes);
	budget_release(&message->memory, front_now_ms(message->front));
	free(message);
}

static void append_cancel(struct imap_client *client)
{
	struct message *message = client->taken;
	if (message == NULL)
		return;
	client->taken = NULL;
	message->client = NULL;
	if (!message->describing.under_way) /* else when it is described */
		message_free(message);
}

/* In the middle of a literal nothing else can be said. */
static void evicted(void *ctx, enum budget_reason reason)
{
	struct imap_client *client = ctx;
	log_info(client->front->common.role->log, "imap.append_ended",
	         F_TEXT("mailbox", session_mailbox(client->session)),
	         F_TEXT("reason", reason == BUDGET_SLOW ? "too slow" : "others need the memory"));
	imap_bye(client, reason == BUDGET_SLOW ? NULL : "UNAVAILABLE",
	         reason == BUDGET_SLOW ? "The message comes in too slowly"
	                               : "No memory for a message that comes in so slowly");
	append_cancel(client);
}

static const struct budget_handlers memory_handlers = {.granted = granted, .evicted = evicted};

/* Asks for memory for size bytes. False: there is none now, and granted will be called. */
static bool message_begin(struct imap_client *client, uint64_t size)
{
	struct imap_front *front = client->front;
	struct message *message = mem_new(sizeof(*message));
	client->taken = message;
	message->front = &front->common;
	message->size = size;
	budget_ticket_init(&message->memory, &front->common.memory,
	                   str_from(session_mailbox(client->session)), &memory_handlers, client);
	front_memory_used(&front->common);
	/* The message, and about as much again for its description with the text to search. */
	if (!budget_take(&message->memory, 2 * size, front_now_ms(client->common.front)))
		return false;
	take_memory(message);
	return true;
}

static enum imap_literal append_literal(struct imap_parse *in, struct imap_client *client,
                                        uint64_t size)
{
	struct append args = {0};
	/* A mailbox's name may be a literal, too. */
	if (client->taken != NULL || !append_arguments(in, &args) || !cursor_at_end(&in->c))
		return IMAP_LITERAL_IS_TEXT;
	if (size > client->front->message_size_max)
		return IMAP_LITERAL_TOO_LARGE;
	return message_begin(client, size) ? IMAP_LITERAL_IS_TAKEN : IMAP_LITERAL_WAITS;
}

static size_t append_bytes(struct imap_client *client, struct str input)
{
	struct message *message = client->taken;
	uint64_t left = message->size - message->filled;
	size_t take = input.len < left ? input.len : (size_t)left;
	memcpy(message->bytes + message->filled, input.ptr, take);
	message->filled += take;
	budget_received(&message->memory, take, front_now_ms(client->common.front));
	return take;
}

static bool append_parse(struct imap_parse *in, struct imap_client *client)
{
	struct append *args = imap_args(in, client, sizeof(*args));
	if (args == NULL || !append_arguments(in, args))
		return false;
	const struct message *message = client->taken;
	if (message == NULL || message->size != args->size)
		return imap_parse_fail(in, "Expected a literal with the message");
	return true;
}

static void appended(struct imap_client *client, const struct imap_answer *answer)
{
	const struct append *args = client->args;
	const Pk__AppendReply *reply = answer->message;
	append_cancel(client);
	if (reply == NULL) {
		imap_finish_error(client, IMAP_FAILED_TARGET, answer->error, answer->text);
		return;
	}
	if (client->folder != NULL && str_eq(args->name, str_from(client->folder->name)))
		client->folder->dirty = true;
	imap_finish(client, imap_textf(client, "APPENDUID %u %u", reply->uid_validity, reply->uid),
	            "Appended");
}

/* The request: everything but the description lies in the command's arena. */
static Pk__AppendRequest *make_request(struct imap_client *client)
{
	const struct append *args = client->args;
	const struct message *message = client->taken;
	Pk__AppendRequest *request = arena_alloc(client->arena, sizeof(*request));
	unsigned char *id = arena_alloc(client->arena, 16);
	if (request == NULL || id == NULL)
		return NULL;
	random_bytes(id, 16);
	pk__append_request__init(request);
	request->name = (char *)args->name.ptr;
	request->flags = args->flags.bits;
	request->keywords = args->flags.keywords;
	request->n_keywords = args->flags.keyword_count;
	request->internal_date = args->internal_date;
	request->append_id = (ProtobufCBinaryData){16, id};
	request->description = message->describing.description;
	return request->description == NULL ? NULL : request;
}

static void hand_over(struct imap_client *client)
{
	const struct message *message = client->taken;
	Pk__AppendRequest *request = make_request(client);
	if (request == NULL) {
		imap_finish_error(client, IMAP_FAILED_TARGET, E_TOO_LARGE, STR(""));
		return;
	}
	imap_ask(client, &(struct imap_question){
						 .method = PK__STORE_METHOD__STORE_APPEND,
						 .body = &request->base,
						 .reply_type = &pk__append_reply__descriptor,
						 .answered = appended,
						 .upload = STR_OF(message->bytes, message->size),
					 });
}

/* Whoever wanted it may have gone meanwhile, or be on the way out. */
static void described(struct describing *describing)
{
	struct message *message = container_of(describing, struct message, describing);
	if (message->client == NULL)
		message_free(message);
	else if (message->client->common.conn != NULL)
		hand_over(message->client);
}

static void append_start(struct imap_client *client)
{
	struct message *message = client->taken;
	const struct append *args = client->args;
	struct str bytes = STR_OF(message->bytes, message->size);
	budget_complete(&message->memory);
	if (bytes.len == 0) {
		imap_finish_error(client, IMAP_FAILED_TARGET, E_INVALID, STR("The message is empty"));
		return;
	}
	if (!args->binary && str_find_byte(bytes, '\0') >= 0) {
		imap_finish_with(client, IMAP_NO, "CANNOT", "NUL takes a literal8");
		return;
	}
	message->client = client;
	if (describing_begin(&message->describing, client->front->common.background, bytes, described))
		hand_over(client);
}

const struct imap_command imap_cmd_append = {
	.name = "APPEND",
	.rfc = "RFC 9051 6.3.12",
	.states = IMAP_LOGGED_IN,
	.effects = IMAP_MAY_EXPUNGE,
	.parse = append_parse,
	.start = append_start,
	.literal = append_literal,
	.bytes = append_bytes,
	.cancel = append_cancel,
};
