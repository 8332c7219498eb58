#include "smtp/session.h"

#include <stdlib.h>

#include "base/mem.h"
#include "smtp/deliver.h"

/* ---------------------------------------------------------------- the end */

static struct smtp_session *session_of(struct front_client *client)
{
	return container_of(client, struct smtp_session, client);
}

void smtp_session_leave(struct front_client *client)
{
	struct smtp_session *session = session_of(client);

	if (session->delivery != NULL)
		smtp_deliver_forsake(session->delivery);
	if (session->resolving != NULL)
		smtp_resolve_cancel(session->resolving);
	smtp_transaction_free(session->transaction);
	log_debug(session->front->common.role->log, "smtp.disconnected",
	          F_TEXT("session", session->id));
}

void smtp_session_forget(struct front_client *client)
{
	struct smtp_session *session = session_of(client);

	free(session->recipient);
	free(session->helo);
	free(session);
}

/* How long the client may take for what comes next; 0 while it is us who are waited for. */
static int64_t time_left(const struct smtp_session *session)
{
	int64_t timeout = session->front->limits.timeout_ms;
	bool message = session->input == SMTP_INPUT_DATA || session->input == SMTP_INPUT_CHUNK;
	int64_t left;

	if (session->waiting != SMTP_WAITING_NOTHING)
		return 0;
	/* A command has one deadline, not one for each of its bytes. */
	left = (message ? session->message_until_ms : session->command_until_ms) -
	       front_now_ms(&session->front->common);
	left = left < 1 ? 1 : left;
	return left < timeout ? left : timeout;
}

void smtp_session_await(struct smtp_session *session)
{
	session->input = SMTP_INPUT_COMMAND;
	session->command_until_ms = front_now_ms(&session->front->common) +
	                            session->front->limits.timeout_ms;
}

/* The end of every handler: does what must not be done from inside a command. */
static void settle(struct smtp_session *session)
{
	if (session->closing) {
		front_client_end(&session->client, false);
		return;
	}
	if (session->starttls) {
		session->starttls = false;
		session->waiting = SMTP_WAITING_TLS;
		conn_starttls(session->client.conn, session->front->common.role->tls);
	}
	conn_deadline(session->client.conn, time_left(session));
}

/* ---------------------------------------------------------------- replies */

void smtp_session_write(struct smtp_session *session, struct str text)
{
	conn_write(session->client.conn, text);
}

static bool counts_as_error(enum smtp_reply_id id)
{
	uint16_t code = smtp_reply(id)->code;

	return (code >= 500 && code <= 503) || code == 555;
}

void smtp_session_reply_detail(struct smtp_session *session, enum smtp_reply_id id,
                               struct str detail)
{
	struct buf *scratch = &session->front->scratch;

	buf_clear(scratch);
	smtp_reply_write(scratch, id, detail);
	smtp_session_write(session, buf_str(scratch));
	if (counts_as_error(id) && ++session->errors > session->front->limits.errors_max)
		smtp_session_end(session, SMTP_REPLY_ERRORS_MAX);
}

void smtp_session_reply(struct smtp_session *session, enum smtp_reply_id id)
{
	smtp_session_reply_detail(session, id, STR(""));
}

void smtp_session_end(struct smtp_session *session, enum smtp_reply_id id)
{
	if (session->closing)
		return;
	session->closing = true;
	smtp_session_reply(session, id);
	if (id != SMTP_REPLY_BYE)
		log_info(session->front->common.role->log, "smtp.ended", F_TEXT("session", session->id),
		         F_TEXT("remote", session->client.peer.address),
		         F_INT("code", smtp_reply(id)->code), F_TEXT("enhanced", smtp_reply(id)->enhanced),
		         F_INT("errors", session->errors));
}

void smtp_session_reset(struct smtp_session *session)
{
	smtp_transaction_free(session->transaction);
	session->transaction = NULL;
	if (session->state != SMTP_STATE_START)
		session->state = SMTP_STATE_READY;
}

/* ---------------------------------------------------------------- input */

static void start_command(struct smtp_session *session, struct str line)
{
	struct smtp_arguments arguments = {0};
	enum smtp_reply_id reply;
	const struct smtp_command *command = smtp_command_find(line, &arguments.text, &reply);

	if (command == NULL) {
		if (reply == SMTP_REPLY_NOT_SMTP)
			smtp_session_end(session, reply);
		else
			smtp_session_reply(session, reply);
		return;
	}
	if (command->idle && ++session->idle_commands > SMTP_IDLE_COMMANDS_MAX) {
		smtp_session_end(session, SMTP_REPLY_ERRORS_MAX);
		return;
	}
	reply = command->parse(&arguments);
	if (reply != SMTP_REPLY_NONE && command->fragile) {
		smtp_session_reply(session, reply);
		smtp_session_end(session, SMTP_REPLY_ERRORS_MAX);
		return;
	}
	if ((command->states & session->state) == 0)
		reply = session->state == SMTP_STATE_START ? SMTP_REPLY_HELLO_FIRST : command->out_of_order;
	if (reply != SMTP_REPLY_NONE)
		smtp_session_reply(session, reply);
	else
		command->start(session, &arguments);
}

/* Takes one command, or what there is of one that is too long. False when more input is needed. */
static bool take_command(struct smtp_session *session, struct str input)
{
	char copy[SMTP_COMMAND_LINE_MAX]; /* the input is gone once it is consumed */
	struct str line;
	size_t used;
	bool ended;
	enum smtp_line kind = smtp_line_find(input, &line, &used, &ended);

	if (kind == SMTP_LINE_PARTIAL)
		return false;
	for (size_t i = 0; i < line.len; i++)
		copy[i] = line.ptr[i];
	conn_consume(session->client.conn, used);
	if (kind != SMTP_LINE_TOO_LONG || ended)
		smtp_session_await(session);
	switch (kind) {
	case SMTP_LINE_WHOLE:
		start_command(session, STR_OF(copy, line.len));
		break;
	case SMTP_LINE_TOO_LONG:
		if (ended)
			smtp_session_reply(session, SMTP_REPLY_LINE_TOO_LONG);
		else
			session->input = SMTP_INPUT_SKIP_LINE;
		break;
	default:
		smtp_session_reply(session, SMTP_REPLY_LINE_BARE);
		break;
	}
	return true;
}

/* The rest of a line that is too long. */
static void skip_line(struct smtp_session *session, struct str input)
{
	ptrdiff_t lf = str_find_byte(input, '\n');

	conn_consume(session->client.conn, lf < 0 ? input.len : (size_t)lf + 1);
	if (lf < 0)
		return;
	smtp_session_await(session);
	smtp_session_reply(session, SMTP_REPLY_LINE_TOO_LONG);
}

static void take_input(struct smtp_session *session)
{
	while (session->waiting == SMTP_WAITING_NOTHING && !session->closing && !session->starttls) {
		struct str input = conn_input(session->client.conn);

		if (input.len == 0)
			return;
		switch (session->input) {
		case SMTP_INPUT_COMMAND:
			if (!take_command(session, input)) {
				session->closing = conn_ended(session->client.conn); /* the rest never comes */
				return;
			}
			break;
		case SMTP_INPUT_SKIP_LINE:
			skip_line(session, input);
			break;
		case SMTP_INPUT_DATA:
			smtp_receive_data(session, input);
			break;
		case SMTP_INPUT_CHUNK:
			smtp_receive_chunk(session, input);
			break;
		}
	}
}

void smtp_session_go_on(struct smtp_session *session)
{
	session->waiting = SMTP_WAITING_NOTHING;
	if (session->input == SMTP_INPUT_COMMAND)
		smtp_session_await(session);
	conn_deadline(session->client.conn, time_left(session));
	conn_again(session->client.conn);
}

void smtp_session_evict(struct smtp_session *session, enum smtp_reply_id id)
{
	smtp_session_end(session, id);
	settle(session);
}

void smtp_delivered(struct smtp_session *session, enum smtp_reply_id reply, const char *id)
{
	bool accepted = reply == SMTP_REPLY_ACCEPTED;

	session->delivery = NULL;
	session->waiting = SMTP_WAITING_NOTHING;
	smtp_session_await(session);
	if (accepted) {
		session->errors = 0;
		session->rejects = 0;
		session->idle_commands = 0;
	}
	smtp_session_reply_detail(session, reply, accepted ? str_from(id) : STR(""));
	if (session->front->common.stopping)
		smtp_session_end(session, SMTP_REPLY_SHUTDOWN);
	else if (session->peer_ended)
		session->closing = true;
	else
		conn_again(session->client.conn);
	settle(session);
}

/* ---------------------------------------------------------------- handlers */

static void on_input(void *ctx)
{
	struct smtp_session *session = ctx;

	take_input(session);
	settle(session);
}

static void on_secured(void *ctx)
{
	struct smtp_session *session = ctx;

	session->waiting = SMTP_WAITING_NOTHING;
	smtp_session_await(session);
	settle(session);
}

static void on_deadline(void *ctx)
{
	struct smtp_session *session = ctx;

	smtp_session_end(session, SMTP_REPLY_TIMEOUT);
	settle(session);
}

static void on_closed(void *ctx, enum conn_end end, const char *text)
{
	struct smtp_session *session = ctx;

	if (end == CONN_END_PEER) {
		session->peer_ended = true;
		if (session->waiting == SMTP_WAITING_STORE)
			return; /* smtp_delivered closes */
		session->closing = true;
		settle(session);
		return;
	}
	log_debug(session->front->common.role->log, "smtp.lost", F_TEXT("session", session->id),
	          F_TEXT("reason", text));
	front_client_end(&session->client, true);
}

static const struct conn_handlers handlers = {
	.input = on_input,
	.secured = on_secured,
	.deadline = on_deadline,
	.closed = on_closed,
};

void smtp_session_start(struct smtp_front *front, int fd, const struct listener_peer *peer)
{
	struct smtp_session *session = mem_new(sizeof(*session));
	struct buf *scratch = &front->scratch;

	session->front = front;
	session->state = SMTP_STATE_START;
	smtp_id(session->id);
	smtp_session_await(session);
	front_client_start(&front->common, &session->client, fd, peer, false, &handlers);
	conn_secret_input(session->client.conn, false); /* nobody logs in here */
	log_debug(front->common.role->log, "smtp.connected", F_TEXT("session", session->id),
	          F_TEXT("remote", peer->address));
	buf_clear(scratch);
	buf_add_str(scratch, STR("220 "));
	buf_add_text(scratch, front->hostname);
	buf_add_str(scratch, STR(" ESMTP postkasse\r\n"));
	smtp_session_write(session, buf_str(scratch));
	settle(session);
}

void smtp_session_stop(struct front_client *client)
{
	struct smtp_session *session = session_of(client);

	if (session->waiting == SMTP_WAITING_STORE)
		return; /* smtp_delivered ends it */
	smtp_session_end(session, SMTP_REPLY_SHUTDOWN);
	settle(session);
}
