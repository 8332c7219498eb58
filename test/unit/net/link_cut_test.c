/* The link when connections break: through a relay that feeds byte by byte, cuts at random places, falls
 * silent; the three kinds of calls after it, with the same core and with another; mutual TLS. */

#include "net/link.h"
#include "net/link_wait.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "link_rig.h"
#include "relay.h"
#include "test_dialer.h"
#include "tls_material.h"

enum { ROUNDS = 30 };

struct rig {
	struct core core;
	struct front front;
	struct relay relay;
	char folder[64], front_path[100], core_path[100];
	struct test_dialer dialer; /* over TCP: */
	uint16_t port;
};

static void listen_core(struct rig *rig)
{
	link_server_listen(rig->core.server, listen_unix(rig->core_path), false);
}

static void rig_begin(struct rig *rig, bool held)
{
	memset(rig, 0, sizeof(*rig));
	memcpy(rig->folder, "/tmp/link_test_XXXXXX", 22);
	assert_non_null(mkdtemp(rig->folder));
	snprintf(rig->front_path, sizeof(rig->front_path), "%s/front", rig->folder);
	snprintf(rig->core_path, sizeof(rig->core_path), "%s/core", rig->folder);
	core_init(&rig->core, NULL);
	if (held)
		loop_hold_time(rig->core.loop);
	listen_core(rig);
	struct sockaddr_un target = {.sun_family = AF_UNIX};
	memcpy(target.sun_path, rig->core_path, sizeof(rig->core_path));
	relay_start(&rig->relay, rig->core.loop, listen_unix(rig->front_path), &target, sizeof(target));
	const struct link_handlers handlers = front_handlers(&rig->front);
	const struct link_target link_target = {
		.unix_path = rig->front_path,
		.role = "imap",
		.allowed_peer_uid = getuid(),
	};
	rig->front.link = link_new(rig->core.loop, NULL, &link_target, &handlers);
}

static void rig_init(struct rig *rig)
{
	rig_begin(rig, false);
}

static void rig_done(struct rig *rig)
{
	link_free(rig->front.link);
	relay_stop(&rig->relay);
	core_done(&rig->core);
	unlink(rig->front_path);
	unlink(rig->core_path);
	rmdir(rig->folder);
}

/* The core's process ends and another one begins. */
static void restart_core(struct rig *rig)
{
	link_server_free(rig->core.server);
	rig->core.kept_count = 0;
	rig->core.server = make_server(&rig->core, NULL);
	listen_core(rig);
}

static void bytes_test(void **state)
{
	(void)state;
	struct rig rig;
	struct answer answers[4] = {{0}};
	char *bytes = mem_new(1000);
	rig_init(&rig);
	rig.relay.piece = 1;
	ask(rig.front.link, ECHO, "byte by byte", LINK_ONCE, &answers[0]);
	ask_stream(rig.front.link, 3000, 100000, &answers[1]);
	ask_upload(rig.front.link, SUM, STR_OF(bytes, 1000), LINK_ONCE, &answers[2]);
	ask(rig.front.link, REFUSE, "", LINK_ONCE, &answers[3]);
	for (size_t i = 0; i < ARRAY_LEN(answers); i++)
		wait_for(rig.core.loop, &answers[i].done);
	assert_non_null(memmem(answers[0].body.ptr, answers[0].body.len, "byte by byte", 12));
	assert_int_equal(answers[1].streamed, 3000);
	assert_true(str_eq(buf_str(&answers[2].body), STR("1000 0")));
	assert_int_equal(answers[3].error, E_NOT_FOUND);
	forget(answers, ARRAY_LEN(answers));
	free(bytes);
	rig_done(&rig);
}

/* Under way at the core when the connection breaks; the same core. */
static void same_core_test(void **state)
{
	(void)state;
	struct rig rig;
	struct answer once = {0}, repeat = {0}, idempotent = {0};
	rig_init(&rig);
	ask(rig.front.link, KEEP, "", LINK_ONCE, &once);
	ask(rig.front.link, KEEP, "", LINK_REPEAT, &repeat);
	ask(rig.front.link, KEEP, "", LINK_IDEMPOTENT, &idempotent);
	wait_until(rig.core.loop, rig.core.kept_count == 3);
	relay_cut(&rig.relay);
	wait_for(rig.core.loop, &once.done);
	assert_int_equal(once.error, E_UNAVAILABLE);
	wait_until(rig.core.loop, rig.front.ups == 2);
	assert_int_equal(rig.front.same, 1);
	/* Only the idempotent one is executed anew; the other waits for its first execution. */
	wait_until(rig.core.loop, rig.core.kept_count == 4);
	settle(rig.core.loop);
	assert_int_equal(rig.core.requests, 4);
	assert_int_equal(rig.core.cancelled, 2);
	reply_text(rig.core.kept[1], "first and only");
	wait_for(rig.core.loop, &repeat.done);
	assert_true(str_eq(buf_str(&repeat.body), STR("first and only")));
	reply_text(rig.core.kept[3], "again");
	wait_for(rig.core.loop, &idempotent.done);
	reply_text(rig.core.kept[0], "to nobody");
	reply_text(rig.core.kept[2], "to nobody");
	forget(&once, 1);
	forget(&repeat, 1);
	forget(&idempotent, 1);
	rig_done(&rig);
}

/* The reply is made while nobody is connected; the repeat gets it without a second execution. */
static void remembered_test(void **state)
{
	(void)state;
	struct rig rig;
	struct answer repeat[2] = {{0}};
	rig_init(&rig);
	ask(rig.front.link, KEEP, "", LINK_REPEAT, &repeat[0]);
	ask(rig.front.link, KEEP, "", LINK_REPEAT, &repeat[1]);
	wait_until(rig.core.loop, rig.core.kept_count == 2);
	rig.relay.closed = true;
	relay_cut(&rig.relay);
	wait_until(rig.core.loop, rig.core.peers_down == 1);
	assert_null(link_inbound_peer(rig.core.kept[0]));
	reply_text(rig.core.kept[0], "lost on its way");
	link_reply_error(rig.core.kept[1], E_QUOTA, "over quota");
	rig.relay.closed = false;
	for (size_t i = 0; i < 2; i++)
		wait_for(rig.core.loop, &repeat[i].done);
	assert_true(str_eq(buf_str(&repeat[0].body), STR("lost on its way")));
	assert_int_equal(repeat[1].error, E_QUOTA);
	assert_string_equal(repeat[1].text, "over quota");
	assert_int_equal(rig.core.requests, 2);
	forget(repeat, 2);
	rig_done(&rig);
}

static void other_core_test(void **state)
{
	(void)state;
	struct rig rig;
	struct answer once = {0}, repeat = {0}, idempotent = {0}, queued[2] = {{0}};
	rig_init(&rig);
	ask(rig.front.link, KEEP, "", LINK_ONCE, &once);
	ask(rig.front.link, KEEP, "", LINK_REPEAT, &repeat);
	ask(rig.front.link, KEEP, "", LINK_IDEMPOTENT, &idempotent);
	wait_until(rig.core.loop, rig.core.kept_count == 3);
	rig.relay.closed = true;
	restart_core(&rig);
	wait_until(rig.core.loop, rig.front.downs == 1);
	/* Asked while nobody is there: nothing was sent, so nothing is lost. */
	ask(rig.front.link, ECHO, "", LINK_ONCE, &queued[0]);
	ask(rig.front.link, ECHO, "", LINK_REPEAT, &queued[1]);
	settle(rig.core.loop);
	assert_false(queued[0].done || queued[1].done);
	rig.relay.closed = false;
	for (size_t i = 0; i < 2; i++) {
		wait_for(rig.core.loop, &queued[i].done);
		assert_int_equal(queued[i].error, 0);
	}
	assert_int_equal(rig.front.same, 0);
	assert_true(once.done && repeat.done);
	assert_int_equal(once.error, E_UNAVAILABLE);
	assert_int_equal(repeat.error, E_UNAVAILABLE);
	wait_until(rig.core.loop, rig.core.kept_count == 1);
	reply_text(rig.core.kept[0], "by the other");
	wait_for(rig.core.loop, &idempotent.done);
	assert_int_equal(idempotent.error, 0);
	forget(&once, 1);
	forget(&repeat, 1);
	forget(&idempotent, 1);
	forget(queued, 2);
	rig_done(&rig);
}

/* ---------------------------------------------------------------- how long a command waits */

static void ask_patiently(struct link *link, uint32_t method, struct link_patience *patience,
                          struct answer *answer)
{
	const struct link_request request = {
		.method = method,
		.kind = LINK_IDEMPOTENT,
		.patience = patience,
		.ctx = answer,
		.reply = on_reply,
	};
	link_call(link, &request);
}

/* The core is away: what several requests of one command wait is one sum, and a request that is under
 * way when the core comes back goes through. */
static void away_test(void **state)
{
	(void)state;
	struct rig rig;
	struct link_patience patience = {.left_ms = 100}, more = {.left_ms = 5000};
	struct answer answers[20] = {{0}}, waits = {0};
	rig_begin(&rig, true);
	struct loop *loop = rig.core.loop;
	ask_patiently(rig.front.link, KEEP, &more, &waits);
	wait_until(loop, rig.core.kept_count == 1);
	rig.relay.closed = true;
	relay_cut(&rig.relay);
	wait_until(loop, rig.front.downs == 1);
	ask_patiently(rig.front.link, ECHO, &patience, &answers[0]);
	loop_advance(loop, 99);
	assert_false(answers[0].done);
	loop_advance(loop, 10);
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		if (i > 0)
			ask_patiently(rig.front.link, ECHO, &patience, &answers[i]);
		loop_advance(loop, 5);
		assert_true(answers[i].done);
		assert_int_equal(answers[i].error, E_UNAVAILABLE);
		assert_int_equal(patience.left_ms, 0);
	}
	forget(answers, ARRAY_LEN(answers));
	rig.relay.closed = false;
	for (int i = 0; i < 100 && rig.core.kept_count < 2; i++)
		loop_advance(loop, 20);
	assert_int_equal(rig.core.kept_count, 2);
	assert_true(more.left_ms < 5000 - 100 && more.left_ms > 0);
	reply_text(rig.core.kept[1], "late");
	wait_for(loop, &waits.done);
	assert_int_equal(waits.error, 0);
	reply_text(rig.core.kept[0], "to nobody");
	/* Who has no patience left is served by a core that is there. */
	struct answer served = {0};
	ask_patiently(rig.front.link, ECHO, &patience, &served);
	wait_for(loop, &served.done);
	assert_int_equal(served.error, 0);
	forget(&waits, 1);
	forget(&served, 1);
	rig_done(&rig);
}

/* Asks as soon as the link is up again, as the sessions do; what has waited is older. */
struct asker {
	struct link *link;
	struct answer answer;
	int ups, downs;
};

static void ask_when_up(void *ctx, bool connected, bool same)
{
	struct asker *asker = ctx;
	(void)same;
	asker->ups += connected;
	asker->downs += !connected;
	if (asker->ups == 2 && connected)
		ask(asker->link, ECHO, "news", LINK_IDEMPOTENT, &asker->answer);
}

static void order_test(void **state)
{
	(void)state;
	struct rig rig;
	struct asker asker = {0};
	struct answer waits[2] = {{0}}, repeat = {0};
	rig_init(&rig);
	asker.link = link_new(rig.core.loop, NULL,
	                      &(struct link_target){.unix_path = rig.front_path,
	                                            .role = "imap",
	                                            .allowed_peer_uid = getuid()},
	                      &(struct link_handlers){.ctx = &asker, .state = ask_when_up});
	wait_until(rig.core.loop, asker.ups == 1);
	ask(asker.link, KEEP, "", LINK_REPEAT, &repeat);
	wait_until(rig.core.loop, rig.core.kept_count == 1);
	rig.relay.closed = true;
	restart_core(&rig);
	wait_until(rig.core.loop, asker.downs == 1);
	for (size_t i = 0; i < ARRAY_LEN(waits); i++)
		ask(asker.link, ECHO, "waits", LINK_IDEMPOTENT, &waits[i]);
	rig.relay.closed = false;
	wait_for(rig.core.loop, &asker.answer.done);
	for (size_t i = 0; i < ARRAY_LEN(waits); i++)
		assert_true(waits[i].done && waits[i].error == 0);
	assert_int_equal(asker.answer.error, 0);
	assert_int_equal(repeat.error, E_UNAVAILABLE);
	assert_int_equal(asker.downs, 1);
	forget(waits, ARRAY_LEN(waits));
	forget(&repeat, 1);
	forget(&asker.answer, 1);
	link_free(asker.link);
	rig_done(&rig);
}

/* The network is cut and nobody says so: a request ends as if the core were away, one that has no
 * such end goes on. A core that works, however long, is not silent. */
static void silent_test(void **state)
{
	(void)state;
	struct rig rig;
	struct link_patience patience = {.left_ms = 600};
	struct answer works = {0}, silent = {0}, next = {0};
	rig_begin(&rig, true);
	struct loop *loop = rig.core.loop;
	wait_until(loop, rig.front.ups == 1);
	ask_patiently(rig.front.link, KEEP, &patience, &works);
	wait_until(loop, rig.core.kept_count == 1);
	loop_advance(loop, 20 * 600);
	assert_false(works.done);
	reply_text(rig.core.kept[0], "done");
	wait_for(loop, &works.done);
	assert_int_equal(works.error, 0);
	assert_int_equal(patience.left_ms, 600);
	rig.relay.silent = true;
	ask_patiently(rig.front.link, ECHO, &patience, &silent);
	loop_advance(loop, 599);
	assert_false(silent.done);
	loop_advance(loop, 1);
	assert_true(silent.done);
	assert_int_equal(silent.error, E_TIMEOUT);
	assert_int_equal(patience.left_ms, 0);
	ask_patiently(rig.front.link, ECHO, &patience, &next);
	loop_advance(loop, LINK_ASK_MS);
	assert_true(next.done);
	assert_int_equal(next.error, E_TIMEOUT);
	assert_int_equal(rig.front.downs, 0);
	forget(&works, 1);
	forget(&silent, 1);
	forget(&next, 1);
	rig_done(&rig);
}

/* Uploads and streams through connections that break at random places. What may be repeated ends well;
 * what may not ends well or with E_UNAVAILABLE; nothing ends twice, nothing hangs. */
static void random_cuts(struct rig *rig)
{
	char *bytes = mem_new(400000);
	memset(bytes, 1, 400000);
	srand(20261123);
	for (int round = 0; round < ROUNDS; round++) {
		struct answer answers[6] = {{0}};
		rig->relay.piece = round % 3 == 0 ? 700 : 0;
		rig->relay.cut_after = rand() % 1500000;
		ask_upload(rig->front.link, SUM, STR_OF(bytes, 400000), LINK_IDEMPOTENT, &answers[0]);
		ask_upload(rig->front.link, SUM, STR_OF(bytes, 400000), LINK_REPEAT, &answers[1]);
		ask_upload(rig->front.link, SUM, STR_OF(bytes, 30000), LINK_REPEAT, &answers[2]);
		ask(rig->front.link, ECHO, "x", LINK_IDEMPOTENT, &answers[3]);
		ask(rig->front.link, ECHO, "x", LINK_ONCE, &answers[4]);
		answers[5].grant = true;
		ask_stream(rig->front.link, 300000, 50000, &answers[5]);
		for (size_t i = 0; i < ARRAY_LEN(answers); i++)
			wait_for(rig->core.loop, &answers[i].done);
		for (size_t i = 0; i < 4; i++)
			assert_int_equal(answers[i].error, 0);
		assert_true(str_eq(buf_str(&answers[0].body), STR("400000 400000")));
		assert_true(str_eq(buf_str(&answers[1].body), STR("400000 400000")));
		assert_true(str_eq(buf_str(&answers[2].body), STR("30000 30000")));
		assert_true(answers[4].error == 0 || answers[4].error == E_UNAVAILABLE);
		assert_true(answers[5].error == 0 ? answers[5].streamed == 300000
		                                  : answers[5].error == E_UNAVAILABLE);
		forget(answers, ARRAY_LEN(answers));
	}
	assert_true(rig->relay.cuts > ROUNDS / 4);
	free(bytes);
}

static void random_cuts_test(void **state)
{
	(void)state;
	struct rig rig;
	rig_init(&rig);
	random_cuts(&rig);
	rig_done(&rig);
}

/* ---------------------------------------------------------------- mutual TLS */

struct pki {
	struct material ca, other_ca, core, front, stranger;
	struct material anybody, roaming, of_smtp, front_elsewhere, core_elsewhere, no_core,
		core_by_name;
};

#define AT_TWO "IP:127.0.0.2,"

static void pki_make(struct pki *pki)
{
	material_make(&pki->ca, "our CA", NULL);
	material_make(&pki->other_ca, "another CA", NULL);
	const struct material *ca = &pki->ca;
	material_make_for(&pki->core, "core", AT_TWO "URI:postkasse:store", ca);
	material_make_for(&pki->front, "front", AT_TWO "URI:postkasse:smtp,URI:postkasse:imap", ca);
	material_make_for(&pki->stranger, "stranger", AT_TWO "URI:postkasse:imap", &pki->other_ca);
	material_make(&pki->anybody, "imap", ca);
	material_make_for(&pki->roaming, "roaming", "URI:postkasse:imap", ca);
	material_make_for(&pki->of_smtp, "smtp", AT_TWO "URI:postkasse:smtp,URI:other:imap", ca);
	material_make_for(&pki->front_elsewhere, "front",
	                  "IP:10.9.8.7,IP:2001:db8::1,URI:postkasse:imap", ca);
	material_make_for(&pki->core_elsewhere, "core", "IP:127.0.0.9,URI:postkasse:store", ca);
	material_make_for(&pki->no_core, "core", AT_TWO "URI:postkasse:imap", ca);
	/* Neither the subject nor a name counts where an address was asked for. */
	material_make_for(&pki->core_by_name, "127.0.0.2", "DNS:127.0.0.2,URI:postkasse:store", ca);
}

static void pki_done(struct pki *pki)
{
	material_done(&pki->ca);
	material_done(&pki->other_ca);
	material_done(&pki->core);
	material_done(&pki->front);
	material_done(&pki->stranger);
	material_done(&pki->anybody);
	material_done(&pki->roaming);
	material_done(&pki->of_smtp);
	material_done(&pki->front_elsewhere);
	material_done(&pki->core_elsewhere);
	material_done(&pki->no_core);
	material_done(&pki->core_by_name);
}

static struct tls_context *mutual(bool server, const struct material *own,
                                  const struct material *ca)
{
	struct tls_context *context;
	struct errinfo info;
	assert_int_equal(tls_mutual_new(&context, server, buf_str(&own->cert_pem),
	                                buf_str(&own->key_pem), buf_str(&ca->cert_pem), &info),
	                 0);
	return context;
}

static const char *const from_two[] = {"10.9.8.7", "127.0.0.2", NULL};

struct tls_case {
	const struct material *own, *ca; /* of the front */
	const char *source;              /* what the relay connects from */
	bool up;
	const struct material *core; /* what the core shows, if not its own */
};

static int dial_relay(void *ctx, const char *core)
{
	const struct rig *rig = ctx;
	assert_string_equal(core, "store");
	struct sockaddr_in address = v4("127.0.0.2", rig->port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void tls_rig_init(struct rig *rig, struct pki *pki, const struct tls_case *test,
                         struct tls_context *contexts[2])
{
	uint16_t core_port;
	memset(rig, 0, sizeof(*rig));
	contexts[0] = mutual(true, test->core == NULL ? &pki->core : test->core, &pki->ca);
	contexts[1] = mutual(false, test->own, test->ca);
	const struct link_server_options options = {
		.role = "store",
		.allowed = allowed,
		.allowed_count = 2,
		.tls = contexts[0],
		.limits.allowed_addresses = from_two,
		.dead_ms = 400,
	};
	core_init(&rig->core, &options);
	link_server_listen(rig->core.server, listen_tcp("127.0.0.1", &core_port), true);
	int listening = listen_tcp("127.0.0.2", &rig->port);
	struct sockaddr_in target = v4("127.0.0.1", core_port);
	relay_start(&rig->relay, rig->core.loop, listening, &target, sizeof(target));
	struct sockaddr_in source = v4(test->source, 0);
	memcpy(&rig->relay.source, &source, sizeof(source));
	const struct link_handlers handlers = front_handlers(&rig->front);
	test_dialer_init(&rig->dialer, rig->core.loop, dial_relay, rig);
	const struct link_target link_target = {
		.dialer = &rig->dialer.dialer,
		.core = "store",
		.host = "127.0.0.2",
		.tls = contexts[1],
		.role = "imap",
		.dead_ms = 400,
	};
	rig->front.link = link_new(rig->core.loop, NULL, &link_target, &handlers);
}

static void tls_rig_done(struct rig *rig, struct tls_context *contexts[2])
{
	link_free(rig->front.link);
	relay_stop(&rig->relay);
	core_done(&rig->core);
	tls_context_free(contexts[0]);
	tls_context_free(contexts[1]);
}

static void tls_refused_test(void **state)
{
	(void)state;
	struct pki pki;
	pki_make(&pki);
	const struct tls_case cases[] = {
		{&pki.front, &pki.ca, "127.0.0.2", true, NULL},
		{&pki.stranger, &pki.ca, "127.0.0.2", false, NULL}, /* the core does not know its CA */
		{&pki.front, &pki.other_ca, "127.0.0.2", false,
	     NULL},                                            /* the front does not know the core's */
		{&pki.front, &pki.ca, "127.0.0.3", false, NULL},   /* not on the list */
		{&pki.anybody, &pki.ca, "127.0.0.2", false, NULL}, /* has no role */
		{&pki.of_smtp, &pki.ca, "127.0.0.2", false, NULL}, /* has another one */
		{&pki.front_elsewhere, &pki.ca, "127.0.0.2", false, NULL},
		{&pki.roaming, &pki.ca, "127.0.0.2", true, NULL}, /* names no address */
		{&pki.front, &pki.ca, "127.0.0.2", false, &pki.core_elsewhere},
		{&pki.front, &pki.ca, "127.0.0.2", false, &pki.no_core},
		{&pki.front, &pki.ca, "127.0.0.2", false, &pki.core_by_name},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rig rig;
		struct tls_context *contexts[2];
		tls_rig_init(&rig, &pki, &cases[i], contexts);
		if (cases[i].up) {
			wait_until(rig.core.loop, rig.front.ups == 1);
			struct answer answer = {0};
			ask(rig.front.link, ECHO, "", LINK_ONCE, &answer);
			wait_for(rig.core.loop, &answer.done);
			assert_int_equal(answer.error, 0);
			forget(&answer, 1);
		} else {
			wait_until(rig.core.loop, rig.relay.accepted >= 3); /* it keeps trying */
			assert_int_equal(rig.front.ups, 0);
			assert_int_equal(rig.core.peers_up, 0);
		}
		tls_rig_done(&rig, contexts);
	}
	pki_done(&pki);
}

static void tls_cut_test(void **state)
{
	(void)state;
	struct pki pki;
	struct rig rig;
	struct tls_context *contexts[2];
	pki_make(&pki);
	const struct tls_case test = {&pki.front, &pki.ca, "127.0.0.2", true, NULL};
	tls_rig_init(&rig, &pki, &test, contexts);
	random_cuts(&rig);
	/* Nothing comes any more and nobody says so: both ends find out, and the front comes back. */
	wait_until(rig.core.loop, link_connected(rig.front.link) && rig.core.peer != NULL);
	int downs = rig.front.downs, peers_down = rig.core.peers_down;
	rig.relay.silent = true;
	int64_t start = clock_monotonic_ms();
	wait_until(rig.core.loop, rig.front.downs > downs && rig.core.peers_down > peers_down);
	assert_true(clock_monotonic_ms() - start < 2000);
	relay_cut(&rig.relay);
	rig.relay.silent = false;
	wait_until(rig.core.loop, link_connected(rig.front.link));
	/* Idle for longer than that is no reason to end: there are pings. */
	downs = rig.front.downs;
	start = clock_monotonic_ms();
	while (clock_monotonic_ms() < start + 900)
		loop_run_once(rig.core.loop, 50);
	assert_int_equal(rig.front.downs, downs);
	tls_rig_done(&rig, contexts);
	pki_done(&pki);
}

/* What a reload does: both ends go on with other certificates, or without one, and with other
 * addresses, whatever they were made with. */
static void tls_reload_test(void **state)
{
	(void)state;
	struct pki pki, next;
	struct rig rig;
	struct tls_context *contexts[2];
	pki_make(&pki);
	pki_make(&next);
	const struct tls_case test = {&pki.front, &pki.ca, "127.0.0.2", true, NULL};
	tls_rig_init(&rig, &pki, &test, contexts);
	wait_until(rig.core.loop, rig.front.ups == 1);
	tls_context_swap(contexts[0], mutual(true, &next.core, &next.ca));
	tls_context_swap(contexts[1], mutual(false, &next.front, &next.ca));
	relay_cut(&rig.relay);
	wait_until(rig.core.loop, rig.front.ups == 2);
	/* Without a certificate nobody connects, nor is anybody let in, and there is no plain text. */
	for (int end = 0; end < 2; end++) {
		tls_context_swap(contexts[end], NULL);
		relay_cut(&rig.relay);
		wait_until(rig.core.loop, !link_connected(rig.front.link));
		int accepted = rig.relay.accepted;
		if (end == 0)
			wait_until(rig.core.loop, rig.relay.accepted >= accepted + 2);
		else
			assert_null(tls_connection_new(contexts[end]));
		assert_int_equal(rig.front.ups, 2 + end);
		const struct material *own = end == 0 ? &next.core : &next.front;
		tls_context_swap(contexts[end], mutual(end == 0, own, &next.ca));
		wait_until(rig.core.loop, rig.front.ups == 3 + end);
	}
	/* An address that is taken off the list is sent away and does not come back. */
	static const char *const others[] = {"10.9.8.7", NULL};
	struct link_server_limits limits = {.allowed_addresses = others};
	int downs = rig.front.downs, accepted = rig.relay.accepted;
	link_server_set_limits(rig.core.server, &limits);
	wait_until(rig.core.loop, rig.front.downs > downs && rig.relay.accepted >= accepted + 2);
	assert_int_equal(rig.front.ups, 4);
	limits.allowed_addresses = from_two;
	link_server_set_limits(rig.core.server, &limits);
	wait_until(rig.core.loop, rig.front.ups == 5);
	tls_rig_done(&rig, contexts);
	pki_done(&pki);
	pki_done(&next);
}

int main(void)
{
	struct errinfo info;
	if (crypto_init(&info) != 0)
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_test),       cmocka_unit_test(same_core_test),
		cmocka_unit_test(away_test),        cmocka_unit_test(silent_test),
		cmocka_unit_test(order_test),       cmocka_unit_test(remembered_test),
		cmocka_unit_test(other_core_test),  cmocka_unit_test(random_cuts_test),
		cmocka_unit_test(tls_refused_test), cmocka_unit_test(tls_cut_test),
		cmocka_unit_test(tls_reload_test),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
