#ifndef POSTKASSE_MAIN_SUPERVISOR_INTERNAL_H
#define POSTKASSE_MAIN_SUPERVISOR_INTERNAL_H

/* What the files of the supervisor share. One thread, one poll loop. */

#include <sys/types.h>

#include "main/folders.h"
#include "main/handoff.h"
#include "main/kinds.h"
#include "main/process_log.h"
#include "main/settings.h"
#include "main/supervisor.h"

enum {
	CHILDREN_MAX = 4 * 64,
	RESTART_FIRST_MS = 50,   /* the second restart in a row; then twice as long each time */
	RESTART_MAX_MS = 5000,   /* ... up to this */
	RESTART_SOUND_MS = 1000, /* having served so long makes the next death the first again */
	SOCKETS_MAX = 1024,
};

struct listening {
	const struct kind *kind;
	const char *name; /* of struct role_socket */
	unsigned index;   /* of the child that gets it, when each has one of its own */
	bool own;
	int fd;
};

/* A link that a process has asked for and not got yet. */
struct wish {
	bool open;
	bool connecting; /* to a core on another host: */
	int fd;          /* ours */
	int64_t deadline_ms;
};

/* Whether a process has the link that it asked for: it says when the core has answered over it, and asks
 * again when it broke. */
struct link_seen {
	bool up;
	int64_t since_ms; /* 0: it never asked */
};

struct child {
	const struct kind *kind;
	unsigned index; /* among those of its kind */
	pid_t pid;      /* 0: is not running */
	int control_fd; /* -1: is not running */
	bool ready;     /* it said that it serves */
	bool told_to_stop;
	struct buf orders;       /* that it has not read yet; it may hold keys */
	int64_t orders_until_ms; /* when it is to have read them */
	unsigned settings_due;   /* sent, and not yet said to be in use */
	int64_t ready_ms;
	int64_t start_ms;  /* when to start it, while it is not running */
	uint64_t starts;   /* so far */
	unsigned failures; /* deaths in a row without having served for RESTART_SOUND_MS */
	struct process_log log;
	struct wish wishes[KIND_LINKS_MAX]; /* in the order of its kind's links */
	struct link_seen seen[KIND_LINKS_MAX];
	int64_t asked_ms; /* when all that it asked for would have been its turn */
	int64_t read_ms;  /* it asked too often: not read again before this */
};

/* Of a reload: the cores have the new settings before a front goes by them, so that nothing is let in
 * that a core would then refuse. */
enum reload_step { RELOAD_NONE, RELOAD_CORES, RELOAD_FRONTS };

/* In the order of stopping: a store tells the directory how far it has come. */
enum phase { PHASE_SERVING, PHASE_STOPPING_FRONTS, PHASE_STOPPING_STORES, PHASE_STOPPING_CORES };

struct supervisor {
	const struct supervisor_options *options;
	struct settings settings;
	struct log log;
	bool separate; /* started as root: each role has its own user */
	int lock_fd, run_lock_fd, signal_fd, ready_fd, status_fd;
	int64_t since_ms, loaded_ms; /* it started; the configuration in force was read */
	struct listening sockets[SOCKETS_MAX];
	size_t socket_count;
	struct child children[CHILDREN_MAX];
	size_t child_count;
	enum phase phase;
	int64_t deadline_ms; /* of the phase, when stopping */
	bool hurried;        /* a second signal to stop: no grace */
	bool ended_badly;    /* a process failed, or was killed, while stopping */
	bool unusable;       /* a process found that it cannot work with what there is */
	bool recorded;       /* the installation has its record */
	bool announced;      /* everything serves, and whoever waits was told */
	int64_t expiry_ms;   /* when to look at the certificates again */
	enum reload_step reload_step;
	int64_t reload_until_ms; /* nobody is waited for longer, while there is a step */
	pid_t pid;
};

/* supervisor_sockets.c: binds everything that the roles of this host listen on. */
int supervisor_bind(struct supervisor *supervisor, struct errinfo *info) MUST_USE;
void supervisor_unbind(struct supervisor *supervisor);
unsigned supervisor_processes(const struct config *config, const struct kind *kind);

/* supervisor_links.c: links between processes. E_DENIED: a link that this kind may not have. */
int links_ask(struct child *child, const struct handoff_link *asked) MUST_USE;
int links_met(struct child *child, const struct handoff_link *link) MUST_USE;
/* The process has ended: nothing of what it asked for is left. */
void links_drop(struct child *child);
/* Gives what was asked for, as far as the cores are there. */
void links_serve(struct supervisor *supervisor);
/* The connection of a wish is ready, or its deadline may have passed. */
void links_connected(struct child *child, size_t place, bool ready);
/* When links_serve, or reading a process again, is due; INT64_MAX: not by time. */
int64_t links_due_ms(struct supervisor *supervisor);

/* supervisor_child.c: one process. */
void child_start(struct supervisor *supervisor, struct child *child);
/* Sends what the process needs of the settings, now and as it reads; sockets: the first time. */
int child_send_settings(struct supervisor *supervisor, struct child *child, bool sockets,
                        struct errinfo *info) MUST_USE;
/* Sends what it has not read yet; one that takes too long over it is killed. */
void child_write(struct supervisor *supervisor, struct child *child);
/* Whether a link can be handed over: it runs, and has read what it was told before. */
bool child_takes_links(const struct child *child);
/* Its control socket is readable. */
void child_read(struct supervisor *supervisor, struct child *child);
void child_stop(struct supervisor *supervisor, struct child *child);
void child_kill(struct child *child);
/* It has ended with this wait status. */
void child_ended(struct supervisor *supervisor, struct child *child, int status);

/* notify.c: the sd_notify protocol; nothing without NOTIFY_SOCKET in the environment. */
void notify_service_manager(char *const *environment, const char *state);

#endif
