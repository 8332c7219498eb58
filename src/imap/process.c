#include "imap/process.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "crypto/secret.h"
#include "imap/command.h"
#include "imap/folder.h"
#include "imap/front.h"

enum {
	ARENA_MAX = 32 * 1024 * 1024, /* what the arguments and requests of one command may take */
	LITERAL_MAX_BEFORE_LOGIN = 4 * 1024,
	LITERAL_MAX = 64 * 1024, /* that becomes text */
	BAD_MAX = 20,            /* BAD answers in a row */
	BAD_MAX_BEFORE_LOGIN = 5,
	SKIP_TIMES = 4, /* a message of so many times message_size_max is read past */
	/* A literal holds memory that others wait for, so its sender may not take for ever. */
	INPUT_STALL_MS = 2 * 60 * 1000,  /* between two pieces */
	INPUT_TOTAL_MS = 30 * 60 * 1000, /* in all */
};

void imap_command_over(struct imap_client *client)
{
	if (client->command != NULL && client->command->cancel != NULL)
		client->command->cancel(client);
	client->command = NULL;
	client->args = NULL;
	/* A line out of order may begin with a password. */
	wipe((char *)client->tag.ptr, client->tag.len);
	free((char *)client->tag.ptr);
	client->tag = (struct str){NULL, 0};
	client->idle_done = false;
	client->wants_line = false;
	arena_free(client->arena);
	client->arena = NULL;
	imap_restart_deadline(client);
}

void imap_drop_literal(struct imap_client *client)
{
	if (client->taking != NULL)
		client->taking->cancel(client);
	client->taking = NULL;
}

void imap_arena_renew(struct imap_client *client)
{
	client->args = NULL;
	arena_free(client->arena);
	client->arena = arena_new(ARENA_MAX);
}

void imap_process_again(struct imap_client *client)
{
	if (client->common.conn == NULL || client->processing)
		return;
	if (client->stopping && client->command == NULL)
		imap_bye(client, NULL, "The server is stopping");
	else if (client->peer_ended && client->command == NULL)
		front_client_end(&client->common, false);
	else
		conn_again(client->common.conn);
}

/* ---------------------------------------------------------------- errors without a command */

/* "tag BAD text" for what is not a command; an untagged one when there is no tag either. */
static void refuse(struct imap_client *client, enum imap_status status, const char *code,
                   const char *text)
{
	struct imap_parse in = {.c = cursor_of(buf_str(&client->reader.text)),
	                        .arena = arena_new(ARENA_MAX)};
	struct str tag;
	arena_set_secret(in.arena);
	struct buf *out = &client->out;
	if (imap_tag(&in, &tag) && tag.len < 256)
		buf_add_str(out, tag);
	else
		buf_add_byte(out, '*');
	arena_free(in.arena);
	buf_addf(out, " %s ", imap_status_name(status));
	if (code != NULL)
		buf_addf(out, "[%s] ", code);
	buf_add_text(out, text);
	buf_add_str(out, STR("\r\n"));
	imap_drop_literal(client);
	imap_reader_reset(&client->reader);
	imap_flush(client);
	if (status == IMAP_BAD)
		client->bad++;
}

static void refuse_error(struct imap_client *client, int error)
{
	const struct imap_response *response = imap_response_for(error, IMAP_FAILED_TARGET);
	refuse(client, response->status, response->code, response->text);
}

/* ---------------------------------------------------------------- commands */

/* The name of the command, "UID " and a second word together. Borrowed from the input or name. */
static bool command_name(struct imap_parse *in, struct buf *name)
{
	struct str word;
	if (!imap_atom(in, &word))
		return false;
	buf_add_str(name, word);
	if (!str_eq_nocase(word, STR("UID")))
		return true;
	if (!imap_space(in) || !imap_atom(in, &word))
		return imap_parse_fail(in, "Expected a command after UID");
	buf_add_byte(name, ' ');
	buf_add_str(name, word);
	return !name->failed;
}

/* Whether the command may run now; if not it has been answered. */
static bool is_legal(struct imap_client *client, const struct imap_command *command)
{
	const char *why = NULL;
	if ((command->states & (unsigned)client->state) == 0)
		why = client->state == IMAP_NOT_AUTHENTICATED ? "Log in first"
		      : command->states == IMAP_SELECTED      ? "Select a mailbox first"
		                                              : "You are logged in already";
	else if ((command->effects & IMAP_CLEAR_ONLY) != 0 && client->tls)
		why = "TLS is active already";
	if (why != NULL) {
		imap_finish_with(client, IMAP_BAD, NULL, why);
		return false;
	}
	if ((command->effects & IMAP_WRITES) != 0 && client->folder != NULL &&
	    client->folder->read_only) {
		imap_finish_with(client, IMAP_NO, "READ-ONLY", "The mailbox is selected read-only");
		return false;
	}
	return true;
}

static const struct imap_command unknown_command = {.name = "", .states = IMAP_ANY_STATE};

/* Parses and starts the command whose whole text the reader has. */
static void run(struct imap_client *client)
{
	client->arena = arena_new(ARENA_MAX);
	if (client->state == IMAP_NOT_AUTHENTICATED)
		arena_set_secret(client->arena);
	struct imap_parse in = {.c = cursor_of(buf_str(&client->reader.text)), .arena = client->arena};
	struct buf name BUF_AUTO;
	buf_init_secret(&name, 64);
	struct str tag;
	if (!imap_tag(&in, &tag) || !imap_space(&in)) {
		arena_free(client->arena);
		client->arena = NULL;
		refuse(client, IMAP_BAD, NULL, "Expected a tag, a space and a command");
		return;
	}
	client->tag = STR_OF(str_dup(tag), tag.len);
	bool named = command_name(&in, &name);
	const struct imap_command *command = named ? imap_command_find(buf_str(&name)) : NULL;
	client->command = command == NULL ? &unknown_command : command;
	client->taking = NULL; /* it is the same, and its cancel function will be called */
	client->wants_line = false;
	imap_patience_renew(client);
	if (command == NULL) {
		imap_reader_reset(&client->reader);
		imap_finish_with(client, IMAP_BAD, NULL, in.error != NULL ? in.error : "Unknown command");
		return;
	}
	bool parsed = false;
	bool legal = is_legal(client, command);
	if (legal)
		parsed = (command->parse == NULL || command->parse(&in, client)) && imap_end(&in);
	imap_reader_reset(&client->reader);
	if (parsed)
		command->start(client);
	else if (legal)
		imap_finish_with(client, in.refused ? IMAP_NO : IMAP_BAD, in.refused ? "CANNOT" : NULL,
		                 in.error != NULL ? in.error : "Syntax error");
}

/* A line that the command under way has asked for. */
static void hand_line(struct imap_client *client)
{
	struct str line = str_trim(buf_str(&client->reader.text));
	char *copy MEM_AUTO = str_dup(line);
	imap_reader_reset(&client->reader);
	client->wants_line = false;
	imap_restart_deadline(client);
	client->command->line(client, STR_OF(copy, line.len));
	wipe(copy, line.len);
}

/* ---------------------------------------------------------------- literals */

/* Until the next piece of what is taken or read past, and until its end. */
static void input_deadline(struct imap_client *client)
{
	int64_t left = client->input_end_at - front_now_ms(client->common.front);
	if (left > INPUT_STALL_MS)
		left = INPUT_STALL_MS;
	conn_deadline(client->common.conn, left > 0 ? left : 1);
}

static void divert_literal(struct imap_client *client)
{
	bool synchronizing = client->reader.synchronizing;
	client->waits = IMAP_WAITS_FOR_NOTHING;
	client->input_end_at = front_now_ms(client->common.front) + INPUT_TOTAL_MS;
	imap_reader_divert(&client->reader);
	input_deadline(client);
	if (synchronizing)
		imap_continue(client, STR("OK"));
}

/* more: bytes past IMAP_SKIP_MAX that are read and thrown away before the client is given up. */
static void refuse_literal(struct imap_client *client, int error, uint64_t more)
{
	if (client->reader.synchronizing) {
		refuse_error(client, error);
		return;
	}
	client->refusal = error;
	client->input_end_at = front_now_ms(client->common.front) + INPUT_TOTAL_MS;
	imap_reader_skip(&client->reader, more);
}

/* What is too large, and what the client sends without waiting, is read past: it would not read an answer
 * before it is through. What is far too large is not, but still answered. */
static void refuse_too_large(struct imap_client *client)
{
	uint64_t size = client->reader.literal_size;
	if (client->reader.synchronizing || size / SKIP_TIMES <= client->front->message_size_max) {
		refuse_literal(client, E_TOO_LARGE, size);
		return;
	}
	refuse_error(client, E_TOO_LARGE);
	imap_bye(client, "TOOBIG", "Far too much input");
}

/* Asks the command that the text so far begins. */
static enum imap_literal ask_command(struct imap_client *client)
{
	struct imap_parse in = {.c = cursor_of(buf_str(&client->reader.text)),
	                        .arena = arena_new(ARENA_MAX)};
	struct buf name BUF_AUTO;
	struct str tag;
	enum imap_literal answer = IMAP_LITERAL_IS_TEXT;
	buf_init_secret(&name, 64);
	arena_set_secret(in.arena);
	bool named = imap_tag(&in, &tag) && imap_space(&in) && command_name(&in, &name);
	const struct imap_command *command = named ? imap_command_find(buf_str(&name)) : NULL;
	if (command != NULL && command->literal != NULL &&
	    (command->states & (unsigned)client->state) != 0) {
		answer = command->literal(&in, client, client->reader.literal_size);
		if (answer == IMAP_LITERAL_IS_TAKEN || answer == IMAP_LITERAL_WAITS)
			client->taking = command;
	}
	arena_free(in.arena);
	return answer;
}

void imap_client_go_on(struct imap_client *client)
{
	if (client->common.conn == NULL)
		return; /* it is about to be freed, and its ticket with it */
	divert_literal(client);
	imap_process_again(client);
}

static void literal_of_text(struct imap_client *client)
{
	struct imap_reader *reader = &client->reader;
	bool logged_in = client->state != IMAP_NOT_AUTHENTICATED;
	size_t max = logged_in ? LITERAL_MAX : LITERAL_MAX_BEFORE_LOGIN;
	if (reader->literal_size > max || reader->literal_size > imap_reader_room(reader)) {
		refuse_literal(client, E_TOO_LARGE, 0);
		return;
	}
	bool synchronizing = reader->synchronizing;
	imap_reader_take(reader);
	if (synchronizing)
		imap_continue(client, STR("OK"));
}

static void literal(struct imap_client *client)
{
	if (client->wants_line) {
		hand_line(client);
		return;
	}
	switch (ask_command(client)) {
	case IMAP_LITERAL_IS_TEXT:
		literal_of_text(client);
		break;
	case IMAP_LITERAL_IS_TAKEN:
		divert_literal(client);
		break;
	case IMAP_LITERAL_WAITS:
		client->waits = IMAP_WAITS_FOR_MEMORY;
		break;
	case IMAP_LITERAL_TOO_LARGE:
		refuse_too_large(client);
		break;
	}
}

static void diverted(struct imap_client *client)
{
	size_t taken = client->taking->bytes(client, conn_input(client->common.conn));
	imap_reader_diverted(&client->reader, taken);
	conn_consume(client->common.conn, taken);
	input_deadline(client);
}

/* The end of what was read past. */
static void refused(struct imap_client *client)
{
	int error = client->refusal;
	client->refusal = 0;
	imap_restart_deadline(client);
	if (client->wants_line)
		imap_bye(client, NULL, "Line too long");
	else if (error != 0)
		refuse_error(client, error);
	else
		refuse(client, IMAP_BAD, NULL, "Command too long");
}

/* ---------------------------------------------------------------- the loop */

/* A client that does not read its answers gets no more of them made. */
static bool may_read(const struct imap_client *client)
{
	return client->common.conn != NULL && client->waits == IMAP_WAITS_FOR_NOTHING &&
	       (client->command == NULL || client->wants_line) &&
	       !conn_output_full(client->common.conn);
}

static void handle(struct imap_client *client, enum imap_read event)
{
	switch (event) {
	case IMAP_READ_MORE:
		if (client->refusal != 0)
			input_deadline(client);
		break;
	case IMAP_READ_COMMAND:
		if (client->wants_line)
			hand_line(client);
		else if (client->reader.text.len == 0)
			imap_reader_reset(&client->reader); /* an empty line between commands: harmless */
		else
			run(client);
		break;
	case IMAP_READ_LITERAL:
		literal(client);
		break;
	case IMAP_READ_DIVERTED:
		diverted(client);
		break;
	case IMAP_READ_REFUSED:
		refused(client);
		break;
	case IMAP_READ_FLOOD:
		imap_bye(client, "TOOBIG", "Far too much input");
		break;
	}
	unsigned max = client->state == IMAP_NOT_AUTHENTICATED ? BAD_MAX_BEFORE_LOGIN : BAD_MAX;
	if (client->bad >= max)
		imap_bye(client, NULL, "Too many errors");
}

void imap_process(struct imap_client *client)
{
	if (client->processing)
		return;
	client->processing = true;
	bool more = true;
	while (more && may_read(client)) {
		struct str input = conn_input(client->common.conn);
		enum imap_read event;
		size_t used = imap_reader_feed(&client->reader, input, &event);
		conn_consume(client->common.conn, used);
		more = event != IMAP_READ_MORE || conn_input(client->common.conn).len > 0;
		handle(client, event);
	}
	client->processing = false;
	if (client->common.conn != NULL && client->command == NULL &&
	    (client->stopping || client->peer_ended))
		imap_process_again(client);
}
