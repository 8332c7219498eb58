/*
 * A directory of a few lines, which says how far a mailbox had come and what waits for it, or nothing; a store
 * asks it before it opens a file, and tells it. For one mailbox at a time.
 */

#include "harness.h"

#include "directory.pb-c.h"
#include "net/core_server.h"

static const char hello[] = "From: a@example.test\r\nSubject: Hello\r\n\r\nHello, world.\r\n";

struct rig {
	struct harness *h;
	struct core_server *server;
	struct link *link;
	int error;        /* of each question */
	bool silent;      /* there is no answer at all */
	const bool *deaf; /* while this is so, what is told is not heard; NULL: never */
	unsigned asked, told;
	Pk__MailboxState state; /* the answer, and what was told last; its strings do not count */
	Pk__WaitingState waiting[4], *waiting_pointers[4]; /* likewise, in the answer */
	uint64_t lost;                                     /* what the next one told is said to lack */
	uint64_t rows;                                     /* of the one told last */
};

static const struct core_method get_method = {
	.number = PK__DIRECTORY_METHOD__DIRECTORY_MAILBOX_STATE_GET,
	.name = "mailbox_state_get",
	.roles = ROLE_STORE,
	.request = &pk__mailbox_state_request__descriptor,
};

static const struct core_method set_method = {
	.number = PK__DIRECTORY_METHOD__DIRECTORY_MAILBOX_STATE_SET,
	.name = "mailbox_state_set",
	.roles = ROLE_STORE,
	.request = &pk__mailbox_states__descriptor,
	.items_max = 1000,
};

static void answer_question(struct rig *rig, struct link_inbound *inbound)
{
	rig->asked++;
	if (rig->silent)
		return;
	if (rig->error != 0)
		link_reply_error(inbound, rig->error, "not now");
	else
		link_reply(inbound, &rig->state.base);
}

static void take_state(struct rig *rig, const Pk__MailboxState *told)
{
	Pk__WaitingState **waiting = rig->state.waiting;
	size_t count = rig->state.n_waiting;
	rig->state = *told;
	rig->state.mailbox = text_from("");
	rig->state.known = true;
	rig->state.waiting = waiting;
	rig->state.n_waiting = count;
	rig->told++;
}

static void take_waiting(struct rig *rig, const Pk__WaitingState *told)
{
	size_t at = 0;
	while (at < rig->state.n_waiting && rig->waiting[at].file != told->file)
		at++;
	assert_true(at < ARRAY_LEN(rig->waiting));
	if (told->over && at < rig->state.n_waiting) {
		rig->waiting[at] = rig->waiting[--rig->state.n_waiting];
	} else if (!told->over) {
		assert_true(told->since < told->rows);
		rig->waiting[at] = *told;
		rig->waiting[at].mailbox = text_from("");
		rig->waiting_pointers[at] = &rig->waiting[at];
		rig->state.n_waiting += at == rig->state.n_waiting;
		rig->rows = told->rows;
	}
	rig->state.waiting = rig->waiting_pointers;
}

static void serve(void *ctx, const struct core_method *method, struct link_inbound *inbound,
                  ProtobufCMessage *message)
{
	struct rig *rig = ctx;
	if (method == &get_method) {
		answer_question(rig, inbound);
	} else {
		const Pk__MailboxStates *states = (const Pk__MailboxStates *)message;
		Pk__MailboxStates reply = PK__MAILBOX_STATES__INIT;
		assert_in_range(states->n_states, 0, 1);
		bool deaf = rig->deaf != NULL && *rig->deaf;
		if (states->n_states == 1 && !deaf)
			take_state(rig, states->states[0]);
		for (size_t i = 0; i < states->n_waiting && !deaf; i++)
			take_waiting(rig, states->waiting[i]);
		reply.waiting = states->waiting;
		reply.n_waiting = rig->lost > 0 && states->n_waiting > 0;
		if (reply.n_waiting > 0)
			reply.waiting[0]->lost = rig->lost;
		link_reply(inbound, &reply.base);
	}
	protobuf_c_message_free_unpacked(message, NULL);
}

static void peer_changed(void *ctx, struct link_peer *peer)
{
	(void)ctx;
	(void)peer;
}

static const struct core_method *const methods[] = {&get_method, &set_method};

static const struct core directory = {
	.role = "directory",
	.methods = methods,
	.method_count = ARRAY_LEN(methods),
	.request = serve,
	.peer_up = peer_changed,
	.peer_down = peer_changed,
};

static UNUSED int set_up(void **state)
{
	static const struct link_handlers handlers = {0};
	static const struct link_allowed allowed[] = {{"store", LINK_ANY_UID}};
	const struct link_server_options options = {.allowed = allowed, .allowed_count = 1};
	struct rig *rig = mem_new(sizeof(*rig));
	void *harness;
	assert_int_equal(harness_setup(&harness), 0);
	struct harness *h = rig->h = harness;
	pk__mailbox_state__init(&rig->state);
	harness_down(h);
	rig->server = core_server_new(h->loop, &h->log, &options, &directory, rig);
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	link_server_add_fd(core_server_link(rig->server), pair[0], NULL);
	rig->link = link_new_fd(h->loop, &h->log, pair[1], "store", &handlers);
	h->options.directory = rig->link;
	harness_up(h);
	*state = rig;
	return 0;
}

static UNUSED int tear_down(void **state)
{
	struct rig *rig = *state;
	void *harness = rig->h;
	harness_down(rig->h);
	link_free(rig->link);
	core_server_free(rig->server);
	rig->h->options.directory = NULL;
	harness_up(rig->h);
	free(rig);
	return harness_teardown(&harness);
}
