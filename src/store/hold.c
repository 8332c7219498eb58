#include <sys/stat.h>

#include "base/clock.h"
#include "store/request.h"

/*
 * HOLD: the main file of a mailbox is left alone for a while, so that another process can copy it byte
 * by byte without its key. A writer appends to the WAL only; what would change the main file is a
 * checkpoint, and those wait. Some cannot (the key is to be forgotten, the file gets another one): then
 * the generation changes, and whoever copies begins again.
 */

enum { HOLD_MS = 10 * 1000 };

/* What a crash has left: nobody has opened the file since. */
static int wal_there(const struct mailbox *mailbox, bool *ret, struct errinfo *info)
{
	struct buf path BUF_AUTO;
	struct stat status;
	buf_init(&path, 4096);
	mailbox_path(mailbox, PATH_MAIN, &path);
	path.len--;
	buf_add_str(&path, STR("-wal"));
	buf_add_byte(&path, '\0');
	int rc = mailbox_path_there(path.ptr, ret, info);
	if (rc == 0 && *ret)
		*ret = stat(path.ptr, &status) != 0 || status.st_size > 0;
	return rc;
}

static int hold_run(struct request *request)
{
	const Pk__HoldRequest *message = (const Pk__HoldRequest *)request->message;
	struct mailbox *mailbox = request->mailbox;
	Pk__HoldReply reply = PK__HOLD_REPLY__INIT;
	bool there = false, wal = false;
	int rc = mailbox_volume_check(mailbox, PATH_MAIN, &request->info);
	if (rc == 0)
		rc = mailbox_file_there(mailbox, PATH_MAIN, &there, &request->info);
	if (rc == 0 && !there)
		rc = err_set(&request->info, E_NOT_FOUND, "there is no such mailbox file");
	if (rc == 0 && message->generation == 0 && mailbox->db != NULL)
		rc = mailbox_checkpoint(mailbox, true, &request->info);
	else if (rc == 0 && mailbox->db == NULL)
		rc = wal_there(mailbox, &wal, &request->info);
	if (rc != 0)
		return rc;
	mailbox->hold_until_ms = message->over ? 0 : clock_monotonic_ms() + HOLD_MS;
	reply.generation = mailbox->generation;
	reply.wal = wal;
	return request_reply(request, &reply.base);
}

const struct method store_method_hold = {
	.core.number = PK__STORE_METHOD__STORE_HOLD,
	.core.name = "hold",
	.core.roles = ROLE_CLI,
	.core.request = &pk__hold_request__descriptor,
	.scope = METHOD_MAILBOX,
	.run = hold_run,
};
