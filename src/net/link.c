#include "net/link.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "crypto/secret.h"
#include "net/link_internal.h"

enum { FAULTS_EVERY_MS = 1000 };

static void wipe_message(ProtobufCMessage *message);

void link_pack(struct buf *out, const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	char *to = buf_reserve(out, size);
	if (to == NULL)
		return;
	out->len += protobuf_c_message_pack(message, (uint8_t *)to);
}

ProtobufCMessage *link_unpack(const ProtobufCMessageDescriptor *type, struct str bytes,
                              size_t items_max)
{
	return wire_unpack(type, bytes, items_max, NULL);
}

static void wipe_value(const ProtobufCFieldDescriptor *field, void *value)
{
	if (field->type == PROTOBUF_C_TYPE_STRING) {
		char *text = *(char **)value;
		if (text != NULL && text != field->default_value)
			wipe(text, strlen(text));
	} else if (field->type == PROTOBUF_C_TYPE_BYTES) {
		ProtobufCBinaryData *bytes = value;
		wipe(bytes->data, bytes->len);
	} else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
		wipe_message(*(ProtobufCMessage **)value);
	}
}

static size_t size_of_value(const ProtobufCFieldDescriptor *field)
{
	return field->type == PROTOBUF_C_TYPE_BYTES ? sizeof(ProtobufCBinaryData) : sizeof(void *);
}

static void wipe_field(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	char *member = (char *)message + field->offset;
	char *quantifier = (char *)message + field->quantifier_offset;
	bool pointers = field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_BYTES ||
	                field->type == PROTOBUF_C_TYPE_MESSAGE;
	if (!pointers)
		return;
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		char *values = *(char **)(void *)member;
		for (size_t i = 0; i < *(size_t *)(void *)quantifier; i++)
			wipe_value(field, values + i * size_of_value(field));
	} else if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0 ||
	           *(uint32_t *)(void *)quantifier == field->id) {
		wipe_value(field, member);
	}
}

static void wipe_message(ProtobufCMessage *message)
{
	if (message == NULL)
		return;
	for (unsigned int i = 0; i < message->descriptor->n_fields; i++)
		wipe_field(message, &message->descriptor->fields[i]);
	for (unsigned int i = 0; i < message->n_unknown_fields; i++)
		wipe(message->unknown_fields[i].data, message->unknown_fields[i].len);
}

void link_free_secret(ProtobufCMessage *message)
{
	wipe_message(message);
	protobuf_c_message_free_unpacked(message, NULL);
}

void link_send(struct ws *ws, const struct frame *frame)
{
	struct buf head BUF_AUTO;
	buf_init(&head, FRAME_HEAD_MAX);
	frame_put_head(&head, frame);
	if (frame->secret)
		ws_send_secret(ws, buf_str(&head), frame->body);
	else
		ws_send_str(ws, buf_str(&head), frame->body);
}

void link_send_buf(struct ws *ws, struct frame *frame, struct buf *body)
{
	struct buf head BUF_AUTO;
	buf_init(&head, FRAME_HEAD_MAX);
	frame->body = buf_str(body);
	if (frame->secret) {
		link_send(ws, frame);
		buf_done_wiped(body);
		return;
	}
	frame_put_head(&head, frame);
	ws_send(ws, buf_str(&head), body);
}

void link_send_hello(struct ws *ws, const char *role, const unsigned char *instance)
{
	char host[256] = "";
	if (gethostname(host, sizeof(host) - 1) != 0)
		host[0] = '\0';
	Pk__Hello hello = PK__HELLO__INIT;
	hello.version = LINK_VERSION;
	hello.version_min = LINK_VERSION_MIN;
	hello.role = (char *)role;
	hello.instance.data = (uint8_t *)instance;
	hello.instance.len = LINK_INSTANCE_SIZE;
	hello.host = host;
	struct buf body BUF_AUTO;
	buf_init(&body, FRAME_HEAD_MAX);
	link_pack(&body, &hello.base);
	struct frame frame = {.kind = PK__FRAME__KIND__HELLO, .body = buf_str(&body)};
	link_send(ws, &frame);
}

void link_log_fault(struct link_faults *faults, const struct log *log, const char *peer,
                    uint32_t method, const char *reason)
{
	int64_t now = clock_monotonic_ms();
	faults->count++;
	if (faults->told_ms != 0 && now - faults->told_ms < FAULTS_EVERY_MS)
		return;
	log_warn(log, "link.fault", F_TEXT("peer", peer), F_INT("method", method),
	         F_TEXT("reason", reason), F_INT("count", faults->count));
	faults->told_ms = now;
	faults->count = 0;
}

static int check_hello(const Pk__Hello *hello, struct link_hello *ret, struct errinfo *info)
{
	uint32_t oldest = hello->version_min == 0 ? hello->version : hello->version_min;
	if (hello->version < LINK_VERSION_MIN || oldest > LINK_VERSION || oldest > hello->version)
		return err_set(info, E_INVALID, "hello: version %u to %u, not %d to %d", oldest,
		               hello->version, LINK_VERSION_MIN, LINK_VERSION);
	size_t role_len = strlen(hello->role);
	if (role_len == 0 || role_len >= LINK_ROLE_MAX || hello->instance.len != LINK_INSTANCE_SIZE)
		return err_set(info, E_INVALID, "hello: bad role or instance");
	ret->version = hello->version < LINK_VERSION ? hello->version : LINK_VERSION;
	ret->features = hello->features;
	memcpy(ret->role, hello->role, role_len + 1);
	memcpy(ret->instance, hello->instance.data, LINK_INSTANCE_SIZE);
	return 0;
}

int link_take_hello(const struct frame *frame, struct link_hello *ret, struct errinfo *info)
{
	if (frame->kind != PK__FRAME__KIND__HELLO)
		return err_set(info, E_INVALID, "hello: first frame is another");
	ProtobufCMessage *message = NULL;
	if (frame->body.len <= FRAME_HEAD_MAX)
		message = link_unpack(&pk__hello__descriptor, frame->body, WIRE_ITEMS_FEW);
	if (message == NULL)
		return err_set(info, E_INVALID, "hello: not understood");
	int error = check_hello((const Pk__Hello *)message, ret, info);
	protobuf_c_message_free_unpacked(message, NULL);
	return error;
}

void link_tune_socket(int fd)
{
	int on = 1;
	int size = LINK_SOCKET_BUFFER;
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0)
		return;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/* ---------------------------------------------------------------- waiting for one call */

struct wait {
	const struct link_request *request;
	struct buf *reply_body;
	struct errinfo *info;
	int error;
	bool done;
};

static void wait_chunk(void *ctx, struct link_call *call, struct str body)
{
	struct wait *wait = ctx;
	wait->request->chunk(wait->request->ctx, call, body);
}

static void wait_reply(void *ctx, int error, struct str text, struct str body)
{
	struct wait *wait = ctx;
	wait->done = true;
	wait->error = error;
	if (error != 0)
		err_set(wait->info, error, "%.*s", STR_ARG(text));
	else if (wait->reply_body != NULL)
		buf_add_str(wait->reply_body, body);
}

int link_call_wait(struct link *link, struct loop *loop, const struct link_request *request,
                   struct buf *reply_body, struct errinfo *info)
{
	struct wait wait = {.request = request, .reply_body = reply_body, .info = info};
	struct link_request ours = *request;
	ours.ctx = &wait;
	ours.chunk = request->chunk == NULL ? NULL : wait_chunk;
	ours.reply = wait_reply;
	(void)link_call(link, &ours);
	while (!wait.done)
		loop_run_once(loop, 1000);
	return wait.error;
}
