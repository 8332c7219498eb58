#ifndef POSTKASSE_NET_LINK_INTERNAL_H
#define POSTKASSE_NET_LINK_INTERNAL_H

/* What both ends of the link share and nobody else needs. */

#include "net/frame.h"
#include "net/link.h"
#include "net/ws.h"

enum {
	LINK_INSTANCE_SIZE = 16,
	LINK_ROLE_MAX = 32,
	LINK_SOCKET_BUFFER = 256 * 1024, /* a Unix socket's: a whole piece */
	LINK_CREDIT_MAX = 1 << 30,       /* more credit than this at once is no credit but a fault */
};

/* Complaints about the frames of single requests: one line a second, with how many it stands for. */
struct link_faults {
	int64_t told_ms;
	int64_t count; /* since then */
};

/* Logs that a request is ended because its frames broke the rules. */
void link_log_fault(struct link_faults *faults, const struct log *log, const char *peer,
                    uint32_t method, const char *reason);
/* Both ends' first frame. */
void link_send_hello(struct ws *ws, const char *role, const unsigned char *instance);
struct link_hello {
	uint32_t version; /* the newest that both sides speak */
	uint64_t features;
	char role[LINK_ROLE_MAX];
	unsigned char instance[LINK_INSTANCE_SIZE];
};
/* Checks a first frame: E_INVALID with the reason, else fills what it says. */
int link_take_hello(const struct frame *frame, struct link_hello *ret,
                    struct errinfo *info) MUST_USE;
/* Sends a frame; the first copies body, the second takes it over. */
void link_send(struct ws *ws, const struct frame *frame);
void link_send_buf(struct ws *ws, struct frame *frame, struct buf *body);
/* A Unix socket that is connected to the core, whose process is of the right user; or -1 and an error. */
int link_connect(const struct link_target *target, struct errinfo *info) MUST_USE;
/* Buffer sizes of a Unix socket, TCP_NODELAY of another. */
void link_tune_socket(int fd);

#endif
