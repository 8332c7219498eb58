#include "main/dialer.h"

#include <unistd.h>

#include "base/mem.h"
#include "main/kinds.h"

static int ask(void *ctx, struct link *link, const char *core, struct errinfo *info)
{
	struct dialer *dialer = ctx;
	const struct kind *kind = kind_find(str_from(core));
	size_t at = 0;
	while (at < DIALER_LINKS_MAX && dialer->waiting[at].link != NULL)
		at++;
	if (kind == NULL || at == DIALER_LINKS_MAX)
		return err_set(info, E_INTERNAL, "no link to %s can be asked for", core);
	struct handoff_link question = {.role = kind_number(kind)};
	int error = handoff_send_link(dialer->control_fd, HANDOFF_ASK, &question, -1, info);
	if (error != 0)
		return error;
	dialer->waiting[at].link = link;
	dialer->waiting[at].core = question.role;
	return 0;
}

/* The answer will find nobody and be closed. */
static void forget(void *ctx, struct link *link)
{
	struct dialer *dialer = ctx;
	for (size_t i = 0; i < DIALER_LINKS_MAX; i++)
		if (dialer->waiting[i].link == link)
			dialer->waiting[i].link = NULL;
}

/* For the state of the service; what cannot be told now is told with the next link. */
static void met(void *ctx, const char *core)
{
	struct dialer *dialer = ctx;
	struct handoff_link link = {.role = kind_number(kind_find(str_from(core)))};
	int error = handoff_send_link(dialer->control_fd, HANDOFF_MET, &link, -1, NULL);
	(void)error;
}

void dialer_init(struct dialer *dialer, int control_fd)
{
	*dialer = (struct dialer){.link_dialer = {dialer, ask, forget, met}, .control_fd = control_fd};
}

void dialer_answer(struct dialer *dialer, const struct handoff_link *answer, int fd)
{
	for (size_t i = 0; i < DIALER_LINKS_MAX; i++) {
		struct link *link = dialer->waiting[i].link;
		if (link == NULL || dialer->waiting[i].core != answer->role)
			continue;
		dialer->waiting[i].link = NULL;
		link_give(link, fd, answer->number);
		return;
	}
	if (fd >= 0)
		close(fd);
}
