/* APPEND. Its message comes in beside the command (process.c) and is described here, because the store
 * parses no mail. */

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "imap/append.h"
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

bool imap_append_wants(struct str text)
{
	struct arena *arena = arena_new(64 * 1024);
	struct imap_parse in = {.c = cursor_of(text), .arena = arena};
	struct append args = {0};
	struct str tag;
	bool wants = imap_tag(&in, &tag) && imap_space(&in) && imap_word(&in, STR("APPEND")) &&
	             append_arguments(&in, &args) && cursor_at_end(&in.c);
	arena_free(arena);
	return wants;
}

static void take_memory(struct imap_append *append)
{
	append->end_at = clock_monotonic_ms() + IMAP_APPEND_TOTAL_MS;
	append->message = mem_grow(NULL, append->size + 1, 1);
}

static void granted(void *ctx)
{
	struct imap_client *client = ctx;
	take_memory(client->append);
	imap_client_memory(client);
}

/* In the middle of a literal nothing else can be said. */
static void evicted(void *ctx, enum budget_reason reason)
{
	struct imap_client *client = ctx;
	log_info(client->front->role->log, "imap.append_ended",
	         F_TEXT("mailbox", session_mailbox(client->session)),
	         F_TEXT("reason", reason == BUDGET_SLOW ? "too slow" : "others need the memory"));
	imap_bye(client, reason == BUDGET_SLOW ? NULL : "UNAVAILABLE",
	         reason == BUDGET_SLOW ? "The message comes in too slowly"
	                               : "No memory for a message that comes in so slowly");
	imap_append_free(client);
}

static const struct budget_handlers memory_handlers = {.granted = granted, .evicted = evicted};

bool imap_append_begin(struct imap_client *client, uint64_t size)
{
	struct imap_front *front = client->front;
	struct imap_append *append = mem_new(sizeof(*append));
	client->append = append;
	append->size = size;
	budget_ticket_init(&append->memory, &front->memory, str_from(session_mailbox(client->session)),
	                   &memory_handlers, client);
	imap_memory_used(front);
	/* The message, and about as much again for its description with the text to search. */
	if (!budget_take(&append->memory, 2 * size, clock_monotonic_ms()))
		return false;
	take_memory(append);
	return true;
}

static void release(struct imap_append *append)
{
	describing_done(&append->describing);
	free(append->message);
	budget_release(&append->memory, clock_monotonic_ms());
	free(append);
}

void imap_append_free(struct imap_client *client)
{
	struct imap_append *append = client->append;
	if (append == NULL)
		return;
	client->append = NULL;
	append->client = NULL;
	if (!append->describing.under_way) /* else when it is described */
		release(append);
}

static bool append_parse(struct imap_parse *in, struct imap_client *client)
{
	struct append *args = imap_args(in, client, sizeof(*args));
	if (args == NULL || !append_arguments(in, args))
		return false;
	if (client->append == NULL || client->append->size != args->size)
		return imap_parse_fail(in, "Expected a literal with the message");
	return true;
}

static void appended(struct imap_client *client, const struct imap_answer *answer)
{
	const struct append *args = client->args;
	const Pk__AppendReply *reply = answer->message;
	imap_append_free(client);
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
	request->description = client->append->describing.description;
	return request->description == NULL ? NULL : request;
}

static void hand_over(struct imap_client *client)
{
	struct imap_append *append = client->append;
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
						 .upload = STR_OF(append->message, append->size),
					 });
}

/* Whoever wanted it may have gone meanwhile, or be on the way out. */
static void described(struct describing *describing)
{
	struct imap_append *append = container_of(describing, struct imap_append, describing);
	if (append->client == NULL)
		release(append);
	else if (append->client->conn != NULL)
		hand_over(append->client);
}

static void append_start(struct imap_client *client)
{
	struct imap_append *append = client->append;
	const struct append *args = client->args;
	struct str message = STR_OF(append->message, append->size);
	budget_complete(&append->memory);
	if (message.len == 0) {
		imap_finish_error(client, IMAP_FAILED_TARGET, E_INVALID, STR("The message is empty"));
		return;
	}
	if (!args->binary && str_find_byte(message, '\0') >= 0) {
		imap_finish_with(client, IMAP_NO, "CANNOT", "NUL takes a literal8");
		return;
	}
	append->client = client;
	if (describing_begin(&append->describing, client->front->background, message, described))
		hand_over(client);
}

const struct imap_command imap_cmd_append = {
	.name = "APPEND",
	.rfc = "RFC 9051 6.3.12",
	.states = IMAP_LOGGED_IN,
	.effects = IMAP_MAY_EXPUNGE,
	.parse = append_parse,
	.start = append_start,
	.cancel = imap_append_free,
};
