/* IDLE: changes of the selected mailbox are told as they come. */

#include "base/mem.h"
#include "imap/command.h"
#include "imap/folder.h"
#include "imap/front.h"
#include "imap/process.h"
#include "imap/sync.h"

static void tell(struct imap_client *client);

static void told(struct imap_client *client, bool ok)
{
	imap_flush(client);
	if (client->folder_gone)
		imap_folder_is_gone(client);
	else if (client->idle_done)
		imap_finish(client, NULL, "Idle no more");
	else if (ok) /* else the next event asks again, or DONE */
		tell(client);
}

static void tell(struct imap_client *client)
{
	if (client->common.conn != NULL && client->folder != NULL && client->folder->dirty &&
	    client->call == NULL && !conn_output_full(client->common.conn)) {
		imap_patience_renew(client);
		imap_sync(client, told);
	}
}

static void idle_start(struct imap_client *client)
{
	imap_arena_renew(client); /* most connections spend most of their time here */
	imap_continue(client, STR("idling"));
	imap_want_line(client);
	tell(client);
}

static void idle_line(struct imap_client *client, struct str line)
{
	if (!str_eq_nocase(line, STR("DONE"))) {
		session_call_cancel(client->call);
		client->call = NULL;
		if (client->folder != NULL)
			client->folder->dirty = true;
		imap_finish_with(client, IMAP_BAD, NULL, "Expected DONE");
	} else if (client->call != NULL) {
		client->idle_done = true;
	} else {
		imap_finish(client, NULL, "Idle no more");
	}
}

const struct imap_command imap_cmd_idle = {
	.name = "IDLE",
	.rfc = "RFC 9051 6.3.13",
	.states = IMAP_LOGGED_IN,
	.effects = IMAP_MAY_EXPUNGE,
	.capability = "IDLE",
	.start = idle_start,
	.line = idle_line,
	.drained = tell,
	.changed = tell,
};

void imap_idle_tell_all(struct imap_front *front)
{
	struct front_client *common, *next;
	for (common = TAILQ_FIRST(&front->common.clients); common != NULL; common = next) {
		struct imap_client *client = container_of(common, struct imap_client, common);
		next = TAILQ_NEXT(common, entry);
		if (client->command != &imap_cmd_idle || conn_output_full(client->common.conn))
			continue;
		buf_add_str(&client->out, STR("* OK Still here\r\n"));
		imap_flush(client);
	}
}
