/* The bytes of a message: DATA and BDAT share it, from the trace headers to the store. */

#include <openssl/ssl.h>
#include <string.h>

#include "base/clock.h"
#include "smtp/deliver.h"
#include "smtp/session.h"
#include "smtp/trace.h"

enum { FIRST_PIECE = 4096 }; /* of a message: most are not much larger */

static void write_trace(struct smtp_session *session)
{
	struct smtp_transaction *transaction = session->transaction;
	SSL *ssl = conn_ssl(session->client.conn);
	struct smtp_trace trace = {
		.reverse_path = str_from(transaction->reverse_path),
		.helo = str_from(session->helo),
		.remote = str_from(session->client.peer.address),
		.hostname = str_from(session->front->hostname),
		.id = str_from(transaction->id),
		.esmtp = session->esmtp,
		.utf8 = transaction->utf8,
		.seconds = clock_realtime_us() / 1000000,
	};

	if (ssl != NULL) {
		trace.tls_version = str_from(SSL_get_version(ssl));
		trace.tls_cipher = str_from(SSL_get_cipher_name(ssl));
	}
	if (transaction->recipient_count == 1)
		trace.recipient = str_from(transaction->recipient);
	smtp_trace_write(&trace, &transaction->message);
	transaction->trace_size = transaction->message.len;
}

static bool begun(const struct smtp_transaction *transaction)
{
	return transaction->trace_size > 0;
}

static void wait_for_memory(struct smtp_session *session)
{
	session->waiting = SMTP_WAITING_MEMORY;
	session->waited_from_ms = front_now_ms(&session->front->common);
}

static void start_clock(struct smtp_session *session)
{
	session->message_until_ms = front_now_ms(&session->front->common) +
	                            session->front->limits.message_timeout_ms;
	session->dropped = 0;
}

/* Bytes that are only read so that the next command is found: there is an end to our patience. */
static bool drop(struct smtp_session *session, uint64_t size, enum smtp_reply_id reply)
{
	uint64_t max = SMTP_DROPPED_FACTOR * session->front->limits.message_size_max;

	if (size <= max && session->dropped <= max - size) {
		session->dropped += size;
		return true;
	}
	smtp_session_end(session, reply);
	return false;
}

/* How a message that came in whole is answered at once; NONE: it goes to the store. */
static enum smtp_reply_id refusal(const struct smtp_session *session)
{
	const struct smtp_transaction *transaction = session->transaction;

	switch (transaction->data.fault) {
	case SMTP_DATA_BARE:
		return SMTP_REPLY_BARE;
	case SMTP_DATA_TOO_LARGE:
		return SMTP_REPLY_TOO_LARGE;
	case SMTP_DATA_FINE:
		break;
	}
	if (smtp_trace_count(smtp_transaction_content(transaction)) >
	    session->front->limits.received_max)
		return SMTP_REPLY_LOOP;
	return SMTP_REPLY_NONE;
}

static void refuse(struct smtp_session *session, enum smtp_reply_id reply)
{
	log_info(session->front->common.role->log, "smtp.refused", F_TEXT("session", session->id),
	         F_TEXT("id", session->transaction->id), F_INT("code", smtp_reply(reply)->code),
	         F_TEXT("enhanced", smtp_reply(reply)->enhanced));
	smtp_session_reset(session);
	smtp_session_reply(session, reply);
}

static void message_end(struct smtp_session *session)
{
	enum smtp_reply_id reply = refusal(session);
	struct smtp_transaction *transaction = session->transaction;

	smtp_session_await(session);
	if (reply != SMTP_REPLY_NONE) {
		refuse(session, reply);
		return;
	}
	budget_complete(&transaction->ticket);
	session->transaction = NULL;
	session->state = SMTP_STATE_READY;
	session->waiting = SMTP_WAITING_STORE;
	session->delivery = smtp_deliver(session->front, transaction, session);
}

static void chunk_end(struct smtp_session *session)
{
	char octets[32];
	struct buf detail;

	smtp_session_await(session);
	if (session->chunk_refusal != SMTP_REPLY_NONE) {
		smtp_session_reset(session);
		smtp_session_reply(session, session->chunk_refusal);
		return;
	}
	if (session->chunk_last)
		smtp_data_end_chunks(&session->transaction->data);
	if (session->chunk_last || session->transaction->data.fault != SMTP_DATA_FINE) {
		message_end(session);
		return;
	}
	session->state = SMTP_STATE_CHUNKS;
	buf_init(&detail, sizeof(octets));
	buf_add_u64(&detail, session->chunk_size);
	smtp_session_reply_detail(session, SMTP_REPLY_CHUNK_OK, buf_str(&detail));
	buf_done(&detail);
}

void smtp_receive_begin(struct smtp_session *session)
{
	struct smtp_transaction *transaction = session->transaction;

	if (!begun(transaction)) {
		buf_init(&transaction->message, SMTP_TRACE_MAX + session->front->limits.message_size_max);
		front_memory_used(&session->front->common);
		if (!smtp_transaction_room(transaction, FIRST_PIECE)) {
			wait_for_memory(session);
			return;
		}
		(void)!buf_reserve(&transaction->message, FIRST_PIECE);
		smtp_id(transaction->id);
		write_trace(session);
		start_clock(session);
	}
	if (session->input == SMTP_INPUT_DATA)
		smtp_session_reply(session, SMTP_REPLY_SEND_DATA);
	else if (session->chunk_left == 0)
		chunk_end(session);
}

void smtp_receive_chunk_begin(struct smtp_session *session, uint64_t size, bool last,
                              enum smtp_reply_id reply)
{
	session->input = SMTP_INPUT_CHUNK;
	session->chunk_size = size;
	session->chunk_left = size;
	session->chunk_last = last;
	session->chunk_refusal = reply;
	if (reply == SMTP_REPLY_NONE) {
		smtp_receive_begin(session);
		return;
	}
	start_clock(session);
	if (drop(session, size, reply) && size == 0)
		chunk_end(session);
}

static void granted(void *ctx)
{
	struct smtp_session *session = ctx;

	session->message_until_ms += front_now_ms(&session->front->common) - session->waited_from_ms;
	session->waiting = SMTP_WAITING_NOTHING;
	if (!begun(session->transaction))
		smtp_receive_begin(session);
	smtp_session_go_on(session);
}

static void evicted(void *ctx, enum budget_reason reason)
{
	struct smtp_session *session = ctx;
	bool slow = reason == BUDGET_SLOW;

	smtp_session_evict(session, slow ? SMTP_REPLY_TOO_SLOW : SMTP_REPLY_NO_ROOM);
}

static const struct budget_handlers ticket_handlers = {.granted = granted, .evicted = evicted};

void smtp_receive_ticket(struct smtp_session *session)
{
	const struct listener_peer *peer = &session->client.peer;
	/* Behind loopback stands some relay with everybody's mail. */
	struct str key = peer->local ? STR("") : STR_OF(peer->prefix, sizeof(peer->prefix));

	budget_ticket_init(&session->transaction->ticket, &session->front->common.memory, key,
	                   &ticket_handlers, session);
}

/* Memory for input; a message with a fault needs none any more. */
static bool room(struct smtp_session *session, size_t incoming)
{
	struct smtp_transaction *transaction = session->transaction;

	if (transaction->data.fault != SMTP_DATA_FINE || smtp_transaction_room(transaction, incoming))
		return true;
	wait_for_memory(session);
	return false;
}

/* The maximum of the buffer counts the trace headers at their longest; a message is measured by what
 * came in. */
static void check(struct smtp_session *session)
{
	struct smtp_transaction *transaction = session->transaction;

	if (transaction->data.fault == SMTP_DATA_FINE &&
	    smtp_transaction_content(transaction).len > session->front->limits.message_size_max)
		transaction->data.fault = SMTP_DATA_TOO_LARGE;
	if (transaction->data.fault != SMTP_DATA_FINE)
		smtp_transaction_drop(transaction);
}

void smtp_receive_data(struct smtp_session *session, struct str input)
{
	struct smtp_transaction *transaction = session->transaction;
	bool end;
	size_t taken;

	if (!room(session, input.len))
		return;
	taken = smtp_data_feed(&transaction->data, input, &transaction->message, &end);
	conn_consume(session->client.conn, taken);
	budget_received(&transaction->ticket, taken, front_now_ms(&session->front->common));
	check(session);
	if (end)
		message_end(session);
	else if (transaction->data.fault != SMTP_DATA_FINE)
		(void)drop(session, taken,
		           transaction->data.fault == SMTP_DATA_BARE ? SMTP_REPLY_BARE
		                                                     : SMTP_REPLY_TOO_LARGE);
}

void smtp_receive_chunk(struct smtp_session *session, struct str input)
{
	struct smtp_transaction *transaction = session->transaction;
	size_t size = session->chunk_left < input.len ? (size_t)session->chunk_left : input.len;

	if (session->chunk_refusal == SMTP_REPLY_NONE) {
		if (!room(session, size))
			return;
		smtp_data_feed_chunk(&transaction->data, str_slice(input, 0, size), &transaction->message);
		budget_received(&transaction->ticket, size, front_now_ms(&session->front->common));
		check(session);
	}
	conn_consume(session->client.conn, size);
	session->chunk_left -= size;
	if (session->chunk_left == 0)
		chunk_end(session);
}
