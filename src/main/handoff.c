#include "main/handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"

struct header {
	uint32_t kind;
	uint32_t len; /* of the body */
};

/* A field of the body: tag, length, bytes. Both ends are the same program: host byte order. */
enum tag {
	TAG_CONFIG = 1,
	TAG_TLS_CERTIFICATE,
	TAG_TLS_KEY,
	TAG_LINK_CERTIFICATE,
	TAG_LINK_KEY,
	TAG_LINK_CA,
	TAG_HOST_KEY,
	TAG_IDS,
	TAG_SOCKET, /* the name of the next descriptor */
};

struct ids {
	uint32_t uid, gid, index;
};

void handoff_done(struct handoff *handoff)
{
	buf_done(&handoff->config);
	buf_done(&handoff->tls_certificate);
	buf_done_wiped(&handoff->tls_key);
	buf_done(&handoff->link_certificate);
	buf_done_wiped(&handoff->link_key);
	buf_done(&handoff->link_ca);
	secret_free(handoff->host_key);
	for (size_t i = 0; i < handoff->socket_count; i++)
		if (handoff->sockets[i].fd >= 0)
			close(handoff->sockets[i].fd);
	*handoff = (struct handoff){0};
}

int handoff_pair(int *ret_ours, int *ret_theirs, struct errinfo *info)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
		return err_set(info, err_from_errno(errno), "socketpair: %s", strerror(errno));
	*ret_ours = pair[0];
	*ret_theirs = pair[1];
	return 0;
}

/* Waits until fd is ready for events; false after the deadline (INT64_MAX: none). */
static bool wait_for(int fd, short events, int64_t deadline_ms)
{
	for (;;) {
		int64_t left = deadline_ms - clock_monotonic_ms();
		int timeout_ms = left < 0 ? 0 : left > INT32_MAX ? -1 : (int)left;
		struct pollfd poller = {.fd = fd, .events = events};
		int ready = poll(&poller, 1, timeout_ms);
		if (ready > 0)
			return true;
		if (ready == 0 || errno != EINTR)
			return false;
	}
}

/* Attaches descriptors to the first byte that is sent. */
static void attach(struct msghdr *message, char *control, const struct handoff_socket *sockets,
                   size_t count)
{
	if (count == 0)
		return;
	size_t size = count * sizeof(int);
	message->msg_control = control;
	message->msg_controllen = CMSG_SPACE(size);
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(message);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(size);
	for (size_t i = 0; i < count; i++)
		memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &sockets[i].fd, sizeof(int));
}

/* Sends what there is room for now, with the descriptors at its first byte; *ret_sent: so much. E_AGAIN:
 * nothing at all. */
static int send_some(int fd, struct str bytes, const struct handoff_socket *sockets, size_t count,
                     size_t *ret_sent, struct errinfo *info)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(HANDOFF_SOCKETS_MAX * sizeof(int))] = {0};
	struct iovec part = {(void *)(uintptr_t)bytes.ptr, bytes.len};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	attach(&message, control, sockets, count);
	ssize_t sent;
	do
		sent = sendmsg(fd, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	*ret_sent = sent < 0 ? 0 : (size_t)sent;
	if (sent >= 0)
		return 0;
	if (errno == EAGAIN)
		return err_set(info, E_AGAIN, "the other end does not read");
	return err_set(info, E_UNAVAILABLE, "the other end is gone: %s", strerror(errno));
}

static void add_field(struct buf *out, uint32_t tag, const void *ptr, size_t len)
{
	uint32_t size = (uint32_t)len;
	buf_add(out, &tag, sizeof(tag));
	buf_add(out, &size, sizeof(size));
	buf_add(out, ptr, len);
}

static void add_buf(struct buf *out, uint32_t tag, const struct buf *field)
{
	if (field->len > 0)
		add_field(out, tag, field->ptr, field->len);
}

int handoff_add_settings(struct buf *queue, const struct handoff *handoff, struct errinfo *info)
{
	struct ids ids = {handoff->uid, handoff->gid, handoff->index};
	struct header header = {.kind = HANDOFF_SETTINGS};
	struct buf body BUF_AUTO;
	buf_init_secret(&body, HANDOFF_BODY_MAX);
	add_field(&body, TAG_IDS, &ids, sizeof(ids));
	add_buf(&body, TAG_CONFIG, &handoff->config);
	add_buf(&body, TAG_TLS_CERTIFICATE, &handoff->tls_certificate);
	add_buf(&body, TAG_TLS_KEY, &handoff->tls_key);
	add_buf(&body, TAG_LINK_CERTIFICATE, &handoff->link_certificate);
	add_buf(&body, TAG_LINK_KEY, &handoff->link_key);
	add_buf(&body, TAG_LINK_CA, &handoff->link_ca);
	if (handoff->host_key != NULL) {
		add_field(&body, TAG_HOST_KEY, secret_open(handoff->host_key),
		          secret_len(handoff->host_key));
		secret_close(handoff->host_key);
	}
	for (size_t i = 0; i < handoff->socket_count; i++)
		add_field(&body, TAG_SOCKET, handoff->sockets[i].name, strlen(handoff->sockets[i].name));
	header.len = (uint32_t)body.len;
	buf_add(queue, &header, sizeof(header));
	buf_add_str(queue, buf_str(&body));
	return body.failed || queue->failed
	           ? err_set(info, E_TOO_LARGE, "the settings are longer than %d bytes",
	                     HANDOFF_BODY_MAX)
	           : 0;
}

int handoff_add_order(struct buf *queue, enum handoff_kind kind, struct errinfo *info)
{
	struct header header = {.kind = kind};
	buf_add(queue, &header, sizeof(header));
	return queue->failed ? err_set(info, E_LIMIT, "too many orders wait to be read") : 0;
}

int handoff_send_queue(int fd, struct buf *queue, const struct handoff *sockets,
                       struct errinfo *info)
{
	const struct handoff_socket *first = sockets == NULL ? NULL : sockets->sockets;
	size_t sent, count = sockets == NULL ? 0 : sockets->socket_count;
	while (queue->len > 0) {
		int error = send_some(fd, buf_str(queue), first, count, &sent, info);
		if (error != 0)
			return error;
		buf_consume(queue, sent);
		count = 0;
	}
	buf_done(queue);
	return 0;
}

int handoff_send_order(int fd, enum handoff_kind kind, struct errinfo *info)
{
	struct header header = {.kind = kind};
	struct str bytes = STR_OF(&header, sizeof(header));
	int64_t deadline_ms = clock_monotonic_ms() + HANDOFF_TIMEOUT_MS;
	size_t sent;
	int error;
	while ((error = send_some(fd, bytes, NULL, 0, &sent, info)) == E_AGAIN)
		if (!wait_for(fd, POLLOUT, deadline_ms))
			return err_set(info, E_TIMEOUT, "the other end does not read its orders");
	/* So few bytes are never split. */
	return error;
}

struct link_message {
	struct header header;
	struct handoff_link link;
};

int handoff_send_link(int fd, enum handoff_kind kind, const struct handoff_link *link, int passed,
                      struct errinfo *info)
{
	struct link_message message = {{kind, sizeof(message.link)}, *link};
	struct handoff_socket socket = {.fd = passed};
	size_t sent;
	/* So few bytes are never split. */
	return send_some(fd, STR_OF(&message, sizeof(message)), &socket, passed >= 0, &sent, info);
}

int handoff_receive_order(int fd, enum handoff_kind *ret_kind, struct handoff_link *ret_link)
{
	struct header header;
	/* Descriptors that come along are dropped by the kernel: there is no room for them. */
	ssize_t got = recv(fd, &header, sizeof(header), MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return E_AGAIN;
	if (got <= 0)
		return E_UNAVAILABLE;
	/* Orders are sent whole, and so few bytes are never split. */
	bool about_link = header.kind == HANDOFF_ASK || header.kind == HANDOFF_MET;
	size_t body = about_link ? sizeof(*ret_link) : 0;
	if (got != sizeof(header) || header.len != body)
		return E_INVALID;
	if (body > 0 && recv(fd, ret_link, body, MSG_DONTWAIT) != (ssize_t)body)
		return E_INVALID;
	*ret_kind = (enum handoff_kind)header.kind;
	return 0;
}

/* Takes the descriptors that came with a piece; without a name they wait at the end of the list. */
static void take_descriptors(struct msghdr *message, struct handoff *ret)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(message);
	for (; cmsg != NULL; cmsg = CMSG_NXTHDR(message, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(fd));
			if (ret != NULL && ret->socket_count < HANDOFF_SOCKETS_MAX)
				ret->sockets[ret->socket_count++].fd = fd;
			else
				close(fd);
		}
	}
}

/* Fills the buffer. first_ms: how long to wait for the first byte, -1 for ever; 0 gives E_AGAIN when
 * nothing is there. The rest has HANDOFF_TIMEOUT_MS. */
static int receive_all(int fd, int64_t first_ms, void *to, size_t len, struct handoff *ret)
{
	int64_t deadline_ms = first_ms < 0 ? INT64_MAX : clock_monotonic_ms() + first_ms;
	for (size_t have = 0; have < len;) {
		_Alignas(struct cmsghdr) char control[CMSG_SPACE(HANDOFF_SOCKETS_MAX * sizeof(int))];
		struct iovec part = {(char *)to + have, len - have};
		struct msghdr message = {.msg_iov = &part,
		                         .msg_iovlen = 1,
		                         .msg_control = control,
		                         .msg_controllen = sizeof(control)};
		ssize_t got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
		if (got > 0) {
			if (have == 0)
				deadline_ms = clock_monotonic_ms() + HANDOFF_TIMEOUT_MS;
			take_descriptors(&message, ret);
			have += (size_t)got;
			/* More came than there is room for, here or in our table of descriptors: the rest is lost. */
			if ((message.msg_flags & MSG_CTRUNC) != 0)
				return E_INVALID;
		} else if (got < 0 && errno == EAGAIN) {
			if (!wait_for(fd, POLLIN, deadline_ms))
				return have == 0 && first_ms == 0 ? E_AGAIN : E_TIMEOUT;
		} else if (got == 0 || errno != EINTR) {
			return E_UNAVAILABLE;
		}
	}
	return 0;
}

static void copy_field(struct buf *ret, struct str value)
{
	buf_done(ret);
	buf_init(ret, HANDOFF_BODY_MAX);
	buf_add_str(ret, value);
}

static bool take_field(struct handoff *ret, uint32_t tag, struct str value, size_t *named)
{
	struct buf *const buffers[] = {
		[TAG_CONFIG] = &ret->config,     [TAG_TLS_CERTIFICATE] = &ret->tls_certificate,
		[TAG_TLS_KEY] = &ret->tls_key,   [TAG_LINK_CERTIFICATE] = &ret->link_certificate,
		[TAG_LINK_KEY] = &ret->link_key, [TAG_LINK_CA] = &ret->link_ca,
	};
	struct ids ids;
	switch (tag) {
	case TAG_IDS:
		if (value.len != sizeof(ids))
			return false;
		memcpy(&ids, value.ptr, sizeof(ids));
		ret->uid = ids.uid;
		ret->gid = ids.gid;
		ret->index = ids.index;
		return true;
	case TAG_HOST_KEY:
		if (value.len != HOST_KEY_SIZE || ret->host_key != NULL)
			return false;
		ret->host_key = secret_new(value.ptr, value.len);
		return ret->host_key != NULL;
	case TAG_SOCKET:
		if (*named >= ret->socket_count || value.len >= sizeof(ret->sockets[0].name))
			return false;
		memcpy(ret->sockets[*named].name, value.ptr, value.len);
		(*named)++;
		return true;
	default:
		if (tag >= ARRAY_LEN(buffers) || buffers[tag] == NULL)
			return false;
		copy_field(buffers[tag], value);
		return true;
	}
}

/* body = *(tag length bytes); every descriptor must have got its name. */
static bool take_body(struct handoff *ret, struct str body)
{
	struct cursor c = cursor_of(body);
	size_t named = 0;
	while (!cursor_at_end(&c)) {
		struct str head, value;
		uint32_t tag, len;
		if (!cursor_take(&c, sizeof(tag) + sizeof(len), &head))
			return false;
		memcpy(&tag, head.ptr, sizeof(tag));
		memcpy(&len, head.ptr + sizeof(tag), sizeof(len));
		if (!cursor_take(&c, len, &value) || !take_field(ret, tag, value, &named))
			return false;
	}
	return named == ret->socket_count;
}

static bool is_about_link(uint32_t kind)
{
	return kind == HANDOFF_LINK || kind == HANDOFF_PEER;
}

/* The body of LINK and PEER; a descriptor comes unless the link failed. */
static bool take_link(struct handoff *ret, enum handoff_kind kind, struct str body)
{
	if (body.len != sizeof(ret->link))
		return false;
	memcpy(&ret->link, body.ptr, sizeof(ret->link));
	return ret->socket_count == (kind == HANDOFF_PEER || ret->link.number == 0);
}

/* What a process is told: whether it has a body, and may be that long. */
static bool is_told(const struct header *header)
{
	if (header->kind == HANDOFF_STOP)
		return header->len == 0;
	return (header->kind == HANDOFF_SETTINGS || is_about_link(header->kind)) && header->len > 0 &&
	       header->len <= HANDOFF_BODY_MAX;
}

static int receive_body(int fd, const struct header *header, struct handoff *ret)
{
	enum handoff_kind kind = (enum handoff_kind)header->kind;
	struct buf body;
	buf_init(&body, HANDOFF_BODY_MAX);
	char *to = buf_reserve(&body, header->len);
	must(to != NULL);
	int error = receive_all(fd, HANDOFF_TIMEOUT_MS, to, header->len, ret);
	body.len = error == 0 ? header->len : 0;
	if (error == 0 && !(is_about_link(kind) ? take_link(ret, kind, buf_str(&body))
	                                        : take_body(ret, buf_str(&body))))
		error = E_INVALID;
	buf_done_wiped(&body);
	return error;
}

int handoff_receive(int fd, bool wait, enum handoff_kind *ret_kind, struct handoff *ret,
                    struct errinfo *info)
{
	struct header header;
	*ret = (struct handoff){0};
	int error = receive_all(fd, wait ? -1 : 0, &header, sizeof(header), ret);
	if (error == 0 && !is_told(&header))
		error = E_INVALID;
	if (error == 0 && header.len > 0)
		error = receive_body(fd, &header, ret);
	else if (error == 0 && ret->socket_count > 0)
		error = E_INVALID;
	if (error != 0) {
		handoff_done(ret);
		return err_set(info, error, "control socket: %s", err_name(error));
	}
	*ret_kind = (enum handoff_kind)header.kind;
	return 0;
}
