#ifndef POSTKASSE_TEST_FRONT_RIG_H
#define POSTKASSE_TEST_FRONT_RIG_H

/* A front in a thread of its own, with a directory and a store in its loop that answer as the test wants, and
 * sockets for its clients. To be included after cmocka.h. */

#include <arpa/inet.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "net/link.h"
#include "net/role.h"

#include "../net/test_dialer.h"

struct front_rig {
	const char *name; /* of role and socket */
	int (*run)(struct role *role);
	const char *config;
	enum log_level log_level;
	void (*directory_asked)(void *ctx, struct link_inbound *request);
	void (*store_asked)(void *ctx, struct link_inbound *request);
	/* From front_rig_start on. */
	struct link_allowed allowed;
	struct loop *loop;
	struct test_dialer dialer;
	struct link_server *directory, *store;
	struct role role;
	struct log log;
	struct role_socket socket;
	pthread_t thread;
	uint16_t port;
	int exit_code;
};

/* ---------------------------------------------------------------- sockets */

/* On loopback; returns the port. */
static inline uint16_t front_rig_listen(struct role_socket *socket_, const char *name)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	socket_->name = name;
	socket_->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(socket_->fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(socket_->fd, 128), 0);
	assert_int_equal(getsockname(socket_->fd, (struct sockaddr *)&address, &size), 0);
	return ntohs(address.sin_port);
}

/* A client, who waits so many seconds for what comes. */
static inline int front_rig_connect(uint16_t port, int patience_s)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct timeval patience = {.tv_sec = patience_s};
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* ---------------------------------------------------------------- the cores */

static inline void front_rig_ignore_peer(void *ctx, struct link_peer *peer)
{
	(void)ctx;
	(void)peer;
}

static inline void front_rig_ignore_cancelled(void *ctx, struct link_inbound *request)
{
	(void)ctx;
	(void)request;
}

static inline struct link_server *front_rig_core(struct front_rig *rig, const char *role,
                                                 void (*asked)(void *ctx,
                                                               struct link_inbound *request))
{
	struct link_server_options options = {
		.role = role, .allowed = &rig->allowed, .allowed_count = 1};
	return link_server_new(rig->loop, NULL, &options,
	                       &(struct link_server_handlers){.request = asked,
	                                                      .cancelled = front_rig_ignore_cancelled,
	                                                      .peer_up = front_rig_ignore_peer,
	                                                      .peer_down = front_rig_ignore_peer});
}

static inline int front_rig_dial(void *ctx, const char *core)
{
	struct front_rig *rig = ctx;
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	link_server_add_fd(strcmp(core, "store") == 0 ? rig->store : rig->directory, fds[0], NULL);
	return fds[1];
}

/* ---------------------------------------------------------------- starting and stopping */

static inline void *front_rig_main(void *ctx)
{
	struct front_rig *rig = ctx;
	rig->exit_code = rig->run(&rig->role);
	return NULL;
}

static inline void front_rig_stop(void *ctx)
{
	struct role *role = ctx;
	role->on_stop(role->ctx);
}

/* 0 or -1, as a setup function of cmocka. */
static inline int front_rig_start(struct front_rig *rig)
{
	struct errinfo info;
	if (crypto_init(&info) != 0)
		return -1;
	rig->allowed = (struct link_allowed){rig->name, LINK_ANY_UID};
	rig->loop = loop_new();
	rig->directory = front_rig_core(rig, "directory", rig->directory_asked);
	rig->store = front_rig_core(rig, "store", rig->store_asked);
	test_dialer_init(&rig->dialer, rig->loop, front_rig_dial, rig);
	rig->port = front_rig_listen(&rig->socket, rig->name);
	rig->log = (struct log){.role = rig->name, .fd = STDERR_FILENO, .level = rig->log_level};
	rig->role = (struct role){.name = rig->name,
	                          .loop = rig->loop,
	                          .log = &rig->log,
	                          .dialer = &rig->dialer.dialer,
	                          .config = config_new(),
	                          .sockets = &rig->socket,
	                          .socket_count = 1};
	if (config_parse(rig->role.config, "test", str_from(rig->config), &info) != 0)
		fail_msg("%s", info.text);
	return pthread_create(&rig->thread, NULL, front_rig_main, rig);
}

/* Its exit code. */
static inline int front_rig_finish(struct front_rig *rig)
{
	loop_post(rig->loop, front_rig_stop, &rig->role);
	pthread_join(rig->thread, NULL);
	link_server_free(rig->directory);
	link_server_free(rig->store);
	loop_free(rig->loop);
	config_free(rig->role.config);
	return rig->exit_code;
}

#endif
