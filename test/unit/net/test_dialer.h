#ifndef TEST_NET_TEST_DIALER_H
#define TEST_NET_TEST_DIALER_H

/* Connections for the links of a test, as the supervisor gives them to a process: by a function that
 * connects to the core of that name, on loopback or over a Unix socket, without waiting. */

#include <errno.h>

#include "net/link.h"

enum { TEST_DIALER_LINKS = 8 };

struct test_dialer {
	struct link_dialer dialer; /* for struct link_target */
	struct loop *loop;
	/* A descriptor, or -1 and errno. */
	int (*connect)(void *ctx, const char *core);
	void *ctx;
	struct loop_task later;
	struct {
		struct link *link; /* NULL: free */
		int fd, errnum;
	} waiting[TEST_DIALER_LINKS];
};

static inline int test_dialer_ask(void *ctx, struct link *link, const char *core,
                                  struct errinfo *info)
{
	struct test_dialer *dialer = ctx;
	for (size_t i = 0; i < TEST_DIALER_LINKS; i++) {
		if (dialer->waiting[i].link != NULL)
			continue;
		dialer->waiting[i].link = link;
		dialer->waiting[i].fd = dialer->connect(dialer->ctx, core);
		dialer->waiting[i].errnum = errno;
		loop_later(dialer->loop, &dialer->later);
		return 0;
	}
	return err_set(info, E_LIMIT, "more links than this test has places for");
}

static inline void test_dialer_forget(void *ctx, struct link *link)
{
	struct test_dialer *dialer = ctx;
	for (size_t i = 0; i < TEST_DIALER_LINKS; i++) {
		if (dialer->waiting[i].link != link)
			continue;
		dialer->waiting[i].link = NULL;
		if (dialer->waiting[i].fd >= 0)
			close(dialer->waiting[i].fd);
	}
}

static inline void test_dialer_answer(void *ctx)
{
	struct test_dialer *dialer = ctx;
	for (size_t i = 0; i < TEST_DIALER_LINKS; i++) {
		struct link *link = dialer->waiting[i].link;
		dialer->waiting[i].link = NULL;
		if (link != NULL)
			link_give(link, dialer->waiting[i].fd, dialer->waiting[i].errnum);
	}
}

static inline void test_dialer_init(struct test_dialer *dialer, struct loop *loop,
                                    int (*connect)(void *ctx, const char *core), void *ctx)
{
	*dialer = (struct test_dialer){
		.dialer = {.ctx = dialer, .ask = test_dialer_ask, .forget = test_dialer_forget},
		.loop = loop,
		.connect = connect,
		.ctx = ctx,
		.later = {.run = test_dialer_answer, .ctx = dialer},
	};
}

#endif
