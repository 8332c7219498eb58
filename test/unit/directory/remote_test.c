#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>

#include "fixture.h"

#include "../net/test_dialer.h"
#include "../net/tls_material.h"

/* Another host's front, over mutual TLS with a certificate of ours: it may ask what fronts ask, and
 * does not get to be the command line, whatever it calls itself. */

struct remote {
	struct test_dialer dialer;
	struct material ca, core, front;
	struct tls_context *core_tls, *front_tls;
	struct core_server *server;
	uint16_t port;
};

static int listen_on_loopback(uint16_t *ret_port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

static int dial(void *ctx, const char *core)
{
	const struct remote *remote = ctx;
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_port = htons(remote->port),
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_string_equal(core, "directory");
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void remote_start(struct remote *remote, struct fixture *f)
{
	static const char *const addresses[] = {"127.0.0.1", NULL};
	struct buf *ca = &remote->ca.cert_pem;
	material_make(&remote->ca, "authority", NULL);
	material_make_for(&remote->core, "core", "IP:127.0.0.1,URI:postkasse:directory", &remote->ca);
	material_make_for(&remote->front, "front",
	                  "IP:127.0.0.1,URI:postkasse:imap,URI:postkasse:pop3,URI:postkasse:cli",
	                  &remote->ca);
	assert_int_equal(tls_mutual_new(&remote->core_tls, true, buf_str(&remote->core.cert_pem),
	                                buf_str(&remote->core.key_pem), buf_str(ca), &f->info),
	                 0);
	assert_int_equal(tls_mutual_new(&remote->front_tls, false, buf_str(&remote->front.cert_pem),
	                                buf_str(&remote->front.key_pem), buf_str(ca), &f->info),
	                 0);
	struct link_server_options options = {
		.allowed = f->allowed,
		.allowed_count = 2,
		.local_role = "cli",
		.tls = remote->core_tls,
		.limits.allowed_addresses = addresses,
	};
	remote->server = core_server_new(f->loop, NULL, &options, &directory_core, f->directory);
	link_server_listen(core_server_link(remote->server), listen_on_loopback(&remote->port), true);
	test_dialer_init(&remote->dialer, f->loop, dial, remote);
}

static void remote_stop(struct remote *remote)
{
	core_server_free(remote->server);
	tls_context_free(remote->core_tls);
	tls_context_free(remote->front_tls);
	material_done(&remote->ca);
	material_done(&remote->core);
	material_done(&remote->front);
}

static struct link *link_as(struct remote *remote, struct fixture *f, const char *role)
{
	static const struct link_handlers handlers = {.event = no_event};
	struct link_target target = {.dialer = &remote->dialer.dialer,
	                             .core = "directory",
	                             .host = "127.0.0.1",
	                             .tls = remote->front_tls,
	                             .role = role};
	return link_new(f->loop, NULL, &target, &handlers);
}

static void roles_over_tls(void **state)
{
	struct fixture *f = *state;
	struct remote remote = {0};
	struct buf body BUF_AUTO;
	buf_init(&body, 4096);
	remote_start(&remote, f);
	Pk__DomainRequest add = PK__DOMAIN_REQUEST__INIT;
	Pk__ResolveRequest resolve_request = PK__RESOLVE_REQUEST__INIT;
	add.name = (char *)(uintptr_t) "example.test";
	resolve_request.address = (char *)(uintptr_t) "a@example.test";
	struct link_request asks = {
		.method = METHOD(RESOLVE), .body = &resolve_request.base, .deadline_ms = 20000};
	struct link_request adds = {
		.method = METHOD(DOMAIN_ADD), .body = &add.base, .deadline_ms = 1500};

	struct link *imap = link_as(&remote, f, "imap"), *cli = link_as(&remote, f, "cli");
	assert_int_equal(link_call_wait(imap, f->loop, &asks, &body, &f->info), 0);
	assert_int_equal(link_call_wait(imap, f->loop, &adds, &body, &f->info), E_DENIED);
	int rc = link_call_wait(cli, f->loop, &adds, &body, &f->info);
	assert_true(rc == E_TIMEOUT || rc == E_UNAVAILABLE);
	assert_false(link_connected(cli));
	assert_true(link_connected(imap));
	assert_int_equal(domain_add(f, "example.test"), 0); /* so it was not there */
	link_free(imap);
	link_free(cli);
	remote_stop(&remote);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(roles_over_tls, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("directory/remote", tests, NULL, NULL);
}
