#ifndef POSTKASSE_MAIN_DIALER_H
#define POSTKASSE_MAIN_DIALER_H

/* How the links of a process get their connections: it asks the supervisor over the control socket. */

#include "main/handoff.h"

enum { DIALER_LINKS_MAX = 8 };

struct dialer {
	struct link_dialer link_dialer; /* for struct role */
	int control_fd;
	struct {
		struct link *link; /* NULL: free */
		uint32_t core;
	} waiting[DIALER_LINKS_MAX];
};

void dialer_init(struct dialer *dialer, int control_fd);
/* The supervisor's answer to one of our questions; fd is taken. */
void dialer_answer(struct dialer *dialer, const struct handoff_link *answer, int fd);

#endif
