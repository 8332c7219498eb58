#include "imap/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "imap/command.h"
#include "imap/folder.h"
#include "imap/front.h"
#include "imap/process.h"
#include "imap/sync.h"

enum {
	OUTPUT_MAX = 256 * 1024 * 1024, /* responses of one command that are not streamed */
	/* Before login: an ID of RFC 2971's full size, 30 fields of 30 and 1,024 bytes, as it is written. */
	LINE_MAX_BEFORE_LOGIN = 40 * 1024,
	TEXT_MAX_BEFORE_LOGIN = 48 * 1024,
	LINE_MAX_AFTER_LOGIN = 64 * 1024,
};

/* ---------------------------------------------------------------- output */

void imap_flush(struct imap_client *client)
{
	if (client->out.failed && client->common.conn != NULL) {
		buf_done(&client->out);
		front_client_end(&client->common, true);
		return;
	}
	if (client->common.conn != NULL && client->out.len > 0)
		conn_write_buf(client->common.conn, &client->out);
	buf_done(&client->out);
}

void imap_continue(struct imap_client *client, struct str text)
{
	buf_add_str(&client->out, STR("+ "));
	buf_add_str(&client->out, text);
	buf_add_str(&client->out, STR("\r\n"));
	imap_flush(client);
}

void imap_want_line(struct imap_client *client)
{
	client->wants_line = true;
	imap_process_again(client);
}

void imap_bye(struct imap_client *client, const char *code, const char *text)
{
	if (client->common.conn == NULL)
		return;
	buf_add_str(&client->out, STR("* BYE "));
	if (code != NULL)
		buf_addf(&client->out, "[%s] ", code);
	buf_add_text(&client->out, text);
	buf_add_str(&client->out, STR("\r\n"));
	imap_flush(client);
	front_client_end(&client->common, false);
}

const char *imap_textf(struct imap_client *client, const char *format, ...)
{
	char text[IMAP_TEXTF_MAX];
	va_list args;
	va_start(args, format);
	int len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	must(len >= 0);
	size_t used = (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1;
	struct str copy = arena_str(client->arena, STR_OF(text, used));
	return copy.ptr == NULL ? "" : copy.ptr;
}

void *imap_args(struct imap_parse *in, struct imap_client *client, size_t size)
{
	client->args = arena_alloc(client->arena, size);
	if (client->args == NULL)
		imap_parse_fail(in, "Command too long");
	return client->args;
}

void imap_delay(struct imap_client *client, int64_t ms)
{
	client->waits = IMAP_WAITS_FOR_DELAY;
	conn_deadline(client->common.conn, ms);
}

/* ---------------------------------------------------------------- the end of a command */

void imap_folder_is_gone(struct imap_client *client)
{
	imap_bye(client, NULL, "The selected mailbox was deleted");
}

/* Messages that another session has removed are still numbered here: the client may ask for NOOP (RFC
 * 5530 section 3). */
static bool expunge_is_due(const struct imap_client *client)
{
	return client->folder != NULL && client->folder->pending.count > 0 &&
	       client->finish_status != IMAP_BAD;
}

/* The command's last word: the tagged line, in one write with what is before it. */
static void complete(struct imap_client *client)
{
	struct buf *out = &client->out;
	if (client->finish_code == NULL && expunge_is_due(client))
		client->finish_code = "EXPUNGEISSUED";
	buf_add_str(out, client->tag);
	buf_add_byte(out, ' ');
	buf_add_text(out, imap_status_name(client->finish_status));
	if (client->finish_code != NULL)
		buf_addf(out, " [%s]", client->finish_code);
	buf_add_byte(out, ' ');
	buf_add_text(out, client->finish_text);
	buf_add_str(out, STR("\r\n"));
	imap_command_over(client);
	imap_flush(client);
	if (client->folder_gone)
		imap_folder_is_gone(client);
	imap_process_again(client);
}

/* A failure is not the command's: the changes are asked for again after the next one. */
static void synced(struct imap_client *client, bool ok)
{
	(void)ok;
	complete(client);
}

void imap_finish_with(struct imap_client *client, enum imap_status status, const char *code,
                      const char *text)
{
	if (client->common.conn == NULL)
		return;
	must(client->command != NULL);
	client->wants_line = false;
	client->finish_status = status;
	client->finish_code = code;
	client->finish_text = text;
	client->bad = status == IMAP_BAD ? client->bad + 1 : 0;
	bool expunge = (client->command->effects & IMAP_MAY_EXPUNGE) != 0;
	bool pending = client->folder != NULL && client->folder->pending.count > 0 && expunge;
	if (client->folder != NULL && (client->folder->dirty || pending))
		imap_sync(client, synced);
	else
		complete(client);
}

void imap_finish(struct imap_client *client, const char *code, const char *text)
{
	imap_finish_with(client, IMAP_OK, code, text);
}

/* text = 1*TEXT-CHAR */
static bool is_text(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.ptr[i];
		if (byte < ' ' || byte >= 127)
			return false;
	}
	return true;
}

void imap_finish_error(struct imap_client *client, enum imap_failure failure, int error,
                       struct str text)
{
	const struct imap_response *response = imap_response_for(error, failure);
	/* A sentence of a core: it must not break the line. */
	const char *sentence = response->text;
	if (imap_response_may_say(error, failure) && text.len > 0 && text.len < 300 && is_text(text))
		sentence = imap_textf(client, "%.*s", STR_ARG(text));
	imap_finish_with(client, response->status, response->code, sentence);
}

bool imap_command_uids(struct imap_client *client, struct seqset *set, Pk__UidRange ***ret,
                       size_t *ret_count)
{
	bool uid = (client->command->effects & IMAP_UID) != 0;
	int error = imap_folder_uids(client->folder, set, uid, client->arena, ret, ret_count);
	if (error == E_INVALID)
		imap_finish_with(client, IMAP_BAD, NULL, "No such message number");
	else if (error != 0)
		imap_finish_error(client, IMAP_FAILED_COMMAND, error, STR(""));
	else if (*ret_count == 0)
		imap_finish(client, NULL, "No such messages");
	else
		return true;
	return false; /* set and ret went with the command's arena */
}

/* ---------------------------------------------------------------- asking the store */

static void answer(void *ctx, int error, struct str text, struct str body, bool repeated)
{
	struct imap_client *client = ctx;
	struct scratch *scratch = client->front->scratch;
	client->call = NULL;
	if (client->common.conn == NULL)
		return;
	struct imap_answer result = {error, text, NULL, repeated};
	if (error == 0 && client->answer_type != NULL) {
		result.message = scratch_unpack(scratch, client->answer_type, body, WIRE_ITEMS_MESSAGES);
		if (result.message == NULL)
			result = (struct imap_answer){E_INTERNAL, STR(""), NULL, repeated};
	}
	client->answered(client, &result);
	scratch_reset(scratch);
}

void imap_patience_renew(struct imap_client *client)
{
	client->patience = (struct link_patience){.left_ms = client->front->core_wait_ms};
}

struct session_call *imap_ask(struct imap_client *client, const struct imap_question *question)
{
	if (client->common.conn == NULL)
		return NULL;
	must(client->call == NULL);
	client->answered = question->answered;
	client->answer_type = question->reply_type;
	client->call = session_call(client->session, &(struct session_request){
													 .method = question->method,
													 .body = question->body,
													 .repeatable = true,
													 .patience = &client->patience,
													 .credit = question->credit,
													 .upload = question->upload,
													 .ctx = client,
													 .chunk = question->chunk,
													 .again = question->again,
													 .reply = answer,
												 });
	return client->call;
}

void imap_enable_condstore(struct imap_client *client)
{
	if (client->condstore)
		return;
	client->condstore = true;
	if (client->folder == NULL)
		return;
	buf_add_str(&client->out, STR("* OK [HIGHESTMODSEQ "));
	buf_add_u64(&client->out, client->folder->seen_modseq > 0 ? client->folder->seen_modseq : 1);
	buf_add_str(&client->out, STR("] Highest\r\n"));
}

void imap_deselect(struct imap_client *client)
{
	if (client->folder == NULL)
		return;
	session_unselected(client->session);
	view_free(client->folder);
	client->folder = NULL;
	client->state = IMAP_AUTHENTICATED;
}

/* ---------------------------------------------------------------- the connection */

static void on_input(void *ctx)
{
	imap_process(ctx);
}

static void on_drained(void *ctx)
{
	struct imap_client *client = ctx;
	if (client->command != NULL && client->command->drained != NULL)
		client->command->drained(client);
	imap_process_again(client); /* which stops while output is full */
}

static void greet(struct imap_client *client)
{
	buf_add_str(&client->out, STR("* OK ["));
	imap_capability_write(client, &client->out);
	buf_add_str(&client->out, STR("] postkasse ready\r\n"));
	imap_flush(client);
	client->greeted = true;
}

static void on_secured(void *ctx)
{
	struct imap_client *client = ctx;
	client->tls = true;
	if (client->sasl != NULL)
		sasl_free(client->sasl);
	client->sasl = NULL; /* made anew with channel binding when it is needed */
	if (!client->greeted)
		greet(client);
}

static void on_closed(void *ctx, enum conn_end end, const char *text)
{
	struct imap_client *client = ctx;
	log_debug(client->front->common.role->log, "imap.disconnected", F_TEXT("reason", text),
	          F_TEXT("mailbox", client->session == NULL ? "" : session_mailbox(client->session)));
	if (end != CONN_END_PEER) {
		front_client_end(&client->common, true);
		return;
	}
	client->peer_ended = true;
	/* What is under way is still answered; a command that waits for the client never ends. */
	if (client->command == NULL || client->wants_line)
		front_client_end(&client->common, false);
}

static void on_deadline(void *ctx)
{
	struct imap_client *client = ctx;
	if (client->waits == IMAP_WAITS_FOR_DELAY) {
		client->waits = IMAP_WAITS_FOR_NOTHING;
		imap_restart_deadline(client);
		client->command->delayed(client);
		return;
	}
	bool busy = (client->command != NULL && !client->wants_line) ||
	            client->waits == IMAP_WAITS_FOR_MEMORY;
	if (busy)
		imap_restart_deadline(client);
	else
		imap_bye(client, NULL,
		         client->session == NULL ? "Too long without login" : "Too long without a command");
}

static const struct conn_handlers conn_handlers = {
	.input = on_input,
	.drained = on_drained,
	.secured = on_secured,
	.deadline = on_deadline,
	.closed = on_closed,
};

void imap_restart_deadline(struct imap_client *client)
{
	if (client->common.conn == NULL || client->waits == IMAP_WAITS_FOR_DELAY)
		return;
	const struct imap_front *front = client->front;
	/* Before login the whole of it has a deadline, not each command. */
	if (client->session != NULL || client->state != IMAP_NOT_AUTHENTICATED)
		conn_deadline(client->common.conn, front->idle_timeout_ms);
	else if (client->login_deadline_at > front_now_ms(client->common.front))
		conn_deadline(client->common.conn,
		              client->login_deadline_at - front_now_ms(client->common.front));
	else
		conn_deadline(client->common.conn, 1);
}

void imap_client_new(struct imap_front *front, int fd, const struct listener_peer *peer,
                     bool implicit_tls)
{
	struct imap_client *client = mem_new(sizeof(*client));
	client->front = front;
	client->state = IMAP_NOT_AUTHENTICATED;
	client->login_deadline_at = front_now_ms(&front->common) + front->login_timeout_ms;
	imap_reader_init(&client->reader, LINE_MAX_BEFORE_LOGIN, TEXT_MAX_BEFORE_LOGIN);
	buf_init_secret(&client->out, OUTPUT_MAX); /* tags are repeated */
	front_client_start(&front->common, &client->common, fd, peer, implicit_tls, &conn_handlers);
	imap_restart_deadline(client);
	if (!implicit_tls)
		greet(client);
}

void imap_logged_in(struct imap_client *client)
{
	client->state = IMAP_AUTHENTICATED;
	front_client_known(&client->common);
	client->out.secret = false;
	conn_secret_input(client->common.conn, false);
	imap_reader_done(&client->reader);
	imap_reader_init(&client->reader, LINE_MAX_AFTER_LOGIN, IMAP_TEXT_MAX);
	client->failures = 0;
	imap_restart_deadline(client);
}

static struct imap_client *client_of(struct front_client *common)
{
	return container_of(common, struct imap_client, common);
}

void imap_client_leave(struct front_client *common)
{
	struct imap_client *client = client_of(common);
	session_call_cancel(client->call);
	client->call = NULL;
}

void imap_client_forget(struct front_client *common)
{
	struct imap_client *client = client_of(common);
	imap_command_over(client);
	imap_drop_literal(client);
	sasl_free(client->sasl);
	view_free(client->folder);
	session_free(client->session);
	imap_reader_done(&client->reader);
	buf_done(&client->out);
	free(client);
}

bool imap_client_is_idle(const struct front_client *common)
{
	const struct imap_client *client = container_of(common, const struct imap_client, common);
	return client->command == NULL || client->wants_line;
}

void imap_client_evict(struct front_client *common)
{
	imap_bye(client_of(common), "UNAVAILABLE", "Too many connections without a login");
}

void imap_client_stop(struct front_client *common)
{
	struct imap_client *client = client_of(common);
	client->stopping = true;
	if (imap_client_is_idle(common))
		imap_bye(client, NULL, "The server is stopping");
}
