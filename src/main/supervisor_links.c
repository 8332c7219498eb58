#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "main/listen.h"
#include "main/supervisor_internal.h"
#include "net/core_link.h"

enum {
	CONNECT_MS = 10000, /* to a core on another host */
	RETRY_MS = 50,      /* when a core does not take its end at once */
	ASK_EVERY_MS = 50,  /* how often a process may speak in the long run; then it is read no more */
	ASK_BURST_MS = 64 * ASK_EVERY_MS,
};

static void see(struct child *child, size_t place, bool up)
{
	if (child->seen[place].up != up || child->seen[place].since_ms == 0)
		child->seen[place] = (struct link_seen){up, clock_monotonic_ms()};
}

static void close_wish(struct wish *wish)
{
	if (wish->connecting)
		close(wish->fd);
	*wish = (struct wish){0};
}

/* Which of its links a process speaks of; below 0: it has none of that name. */
static int place_of(const struct child *child, const struct handoff_link *link)
{
	const struct kind *core = kind_numbered(link->role);
	return core == NULL ? -1 : kind_link_place(child->kind, core);
}

/* One that speaks too often is not listened to for a while. */
static void count_word(struct child *child)
{
	int64_t now_ms = clock_monotonic_ms();
	child->asked_ms = (child->asked_ms > now_ms ? child->asked_ms : now_ms) + ASK_EVERY_MS;
	child->read_ms = child->asked_ms - ASK_BURST_MS;
}

int links_met(struct child *child, const struct handoff_link *link)
{
	int place = place_of(child, link);
	if (place < 0)
		return E_DENIED;
	count_word(child);
	/* One that has asked again since has lost it. */
	if (!child->wishes[place].open)
		see(child, (size_t)place, true);
	return 0;
}

int links_ask(struct child *child, const struct handoff_link *asked)
{
	int place = place_of(child, asked);
	if (place < 0)
		return E_DENIED;
	count_word(child);
	close_wish(&child->wishes[place]);
	child->wishes[place].open = true;
	see(child, (size_t)place, false);
	return 0;
}

void links_drop(struct child *child)
{
	for (size_t i = 0; i < KIND_LINKS_MAX; i++) {
		close_wish(&child->wishes[i]);
		if (child->seen[i].up)
			see(child, i, false);
	}
	child->asked_ms = child->read_ms = 0;
}

/* Gives the process what it asked for: a descriptor, which stays ours to close, or why there is none.
 * One that asks and does not read what it is told has gone mad. */
static void answer(struct child *child, size_t place, int fd, int errnum)
{
	const struct kind *core = kind_find(str_from(child->kind->links[place]));
	struct handoff_link link = {kind_number(core), fd >= 0 ? 0 : errnum};
	close_wish(&child->wishes[place]);
	int error = handoff_send_link(child->control_fd, HANDOFF_LINK, &link, fd, NULL);
	if (error == E_AGAIN)
		child_kill(child);
}

/* ---------------------------------------------------------------- a core on this host */

static struct child *running_core(struct supervisor *supervisor, const char *name)
{
	for (size_t i = 0; i < supervisor->child_count; i++) {
		struct child *child = &supervisor->children[i];
		if (strcmp(child->kind->name, name) == 0 && child_takes_links(child) &&
		    !child->told_to_stop)
			return child;
	}
	return NULL;
}

/* While there is no core the wish stays: the process waits as for a core that is just starting. */
static void join(struct supervisor *supervisor, struct child *child, size_t place)
{
	struct child *core = running_core(supervisor, child->kind->links[place]);
	struct handoff_link peer = {kind_number(child->kind), (int32_t)child->index};
	int ours, theirs;
	if (core == NULL)
		return;
	if (handoff_pair(&ours, &theirs, NULL) != 0) {
		answer(child, place, -1, EMFILE);
		return;
	}
	/* E_AGAIN: it is busy, later then. Gone: its successor will get it. */
	if (handoff_send_link(core->control_fd, HANDOFF_PEER, &peer, theirs, NULL) == 0)
		answer(child, place, ours, 0);
	close(ours);
	close(theirs);
}

/* ---------------------------------------------------------------- a core on another host */

static void connect_out(struct child *child, size_t place, const char *text)
{
	struct wish *wish = &child->wishes[place];
	struct listen_address address;
	/* Checked with the configuration. */
	if (listen_address_parse(&address, str_from(text), NULL) != 0) {
		answer(child, place, -1, EINVAL);
		return;
	}
	int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || (connect(fd, &address.any, address.len) != 0 && errno != EINPROGRESS)) {
		int errnum = errno;
		if (fd >= 0)
			close(fd);
		answer(child, place, -1, errnum);
		return;
	}
	wish->connecting = true;
	wish->fd = fd;
	wish->deadline_ms = clock_monotonic_ms() + CONNECT_MS;
}

void links_connected(struct child *child, size_t place, bool ready)
{
	struct wish *wish = &child->wishes[place];
	int errnum = ETIMEDOUT;
	socklen_t len = sizeof(errnum);
	if (!wish->connecting || !child_takes_links(child) ||
	    (!ready && clock_monotonic_ms() < wish->deadline_ms))
		return;
	if (ready && getsockopt(wish->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) != 0)
		errnum = errno;
	int fd = wish->fd;
	wish->connecting = false;
	answer(child, place, errnum == 0 ? fd : -1, errnum);
	close(fd);
}

/* ---------------------------------------------------------------- all of them */

void links_serve(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->child_count; i++) {
		struct child *child = &supervisor->children[i];
		for (size_t k = 0; k < KIND_LINKS_MAX && child_takes_links(child); k++) {
			if (!child->wishes[k].open || child->wishes[k].connecting)
				continue;
			const char *address = core_address(supervisor->settings.config, child->kind->links[k]);
			if (*address == '\0')
				join(supervisor, child, k);
			else
				connect_out(child, k, address);
		}
	}
}

int64_t links_due_ms(struct supervisor *supervisor)
{
	int64_t due_ms = INT64_MAX, now_ms = clock_monotonic_ms();
	for (size_t i = 0; i < supervisor->child_count; i++) {
		const struct child *child = &supervisor->children[i];
		int64_t next_ms = child->control_fd >= 0 && child->read_ms > now_ms ? child->read_ms
		                                                                    : INT64_MAX;
		for (size_t k = 0; k < KIND_LINKS_MAX && child_takes_links(child); k++) {
			const struct wish *wish = &child->wishes[k];
			if (wish->connecting && wish->deadline_ms < next_ms)
				next_ms = wish->deadline_ms;
			else if (wish->open && !wish->connecting &&
			         running_core(supervisor, child->kind->links[k]) != NULL &&
			         now_ms + RETRY_MS < next_ms)
				next_ms = now_ms + RETRY_MS;
		}
		if (next_ms < due_ms)
			due_ms = next_ms;
	}
	return due_ms;
}
