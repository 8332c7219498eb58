#include "store/request.h"

#include "base/clock.h"
#include "base/must.h"
#include "store/turn.h"

/* ---------------------------------------------------------------- the message */

const void *request_first_field(const ProtobufCMessage *message, ProtobufCType type)
{
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(
		message->descriptor, 1);
	must(field != NULL && field->type == type && field->label != PROTOBUF_C_LABEL_REPEATED);
	return (const char *)message + field->offset;
}

void request_free_unpacked(const struct method *method, ProtobufCMessage *message)
{
	if (request_brings_secret(method))
		link_free_secret(message);
	else
		protobuf_c_message_free_unpacked(message, NULL);
}

void request_free_message(struct request *request)
{
	if (request->message != NULL && request->delivery == NULL)
		request_free_unpacked(request->method, request->message);
	request->message = NULL;
}

int request_unpack(struct request *request)
{
	if (request->message != NULL)
		return 0;
	must(request->method->scope == METHOD_SESSION);
	int rc = core_unpack(&request->method->core, request->inbound, &request->message,
	                     &request->info);
	if (rc != 0)
		return rc;
	const uint64_t *id = request_first_field(request->message, PROTOBUF_C_TYPE_UINT64);
	return *id == request->session->id
	           ? 0
	           : err_set(&request->info, E_INVALID, "the request names two sessions");
}

/* ---------------------------------------------------------------- for its method */

int request_reply(struct request *request, const ProtobufCMessage *message)
{
	buf_clear(&request->reply);
	link_pack(&request->reply, message);
	if (request->reply.failed)
		return err_set(&request->info, E_TOO_LARGE, "the answer is too large");
	return 0;
}

void request_changed(struct request *request, uint64_t folder, uint64_t modseq, bool to_all)
{
	for (int i = 0; i < request->change_count; i++) {
		if (request->changes[i].folder == folder) {
			request->changes[i].modseq = modseq;
			request->changes[i].to_all = request->changes[i].to_all || to_all;
			return;
		}
	}
	must(request->change_count < CHANGES_MAX);
	request->changes[request->change_count++] = (struct change){folder, modseq, to_all};
}

bool request_cancelled(const struct request *request)
{
	return atomic_load_explicit(&request->cancelled, memory_order_relaxed);
}

bool request_slice_over(const struct request *request)
{
	return clock_monotonic_ms() >= request->slice_end_ms || request_cancelled(request);
}

ProtobufCBinaryData packed_bytes(struct str s)
{
	union {
		const char *in;
		uint8_t *out;
	} pointer = {.in = s.ptr}; /* protobuf-c only reads what it packs */
	return (ProtobufCBinaryData){.len = s.len, .data = pointer.out};
}

int request_unlock(struct request *request, struct str secret, struct str record,
                   struct buf *new_record)
{
	int rc = mailbox_unlock(request->mailbox, secret, record, new_record, &request->info);
	request->shown_secret = request->shown_secret || rc == 0;
	if (rc == 0 && !request->holds_key) {
		request->holds_key = true;
		request->mailbox->key_holders++;
	}
	return rc;
}
