#include "store/aside.h"
#include "store/internal.h"
#include "store/refused.h"

/* REMOVE: a mailbox, what waits for it, and leftovers. */

/* Whatever an attempt before this one had removed when its sync failed. */
static int sync_folder(struct request *request, enum mailbox_path which)
{
	int rc = mailbox_sync_folder(request->mailbox, which, &request->info);
	return rc == E_NOT_FOUND ? 0 : rc;
}

static int remove_run(struct request *request)
{
	struct mailbox *mailbox = request->mailbox;
	static const enum mailbox_path files[] = {PATH_TEMPORARY, PATH_MAIN, PATH_NEW, PATH_REKEY};
	/* Files on a volume that is not mounted are not gone. */
	int rc = mailbox_volume_check(mailbox, PATH_MAIN, &request->info);
	if (rc == 0)
		rc = mailbox_volume_check(mailbox, PATH_TEMPORARY, &request->info);
	if (rc != 0)
		return rc;
	mailbox_close_handles(mailbox); /* which makes it another generation, too */
	mailbox_forget_key(mailbox);
	mailbox->merge_failures = 0;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		rc = mailbox_remove_file(mailbox, files[i], &request->info);
		if (rc != 0)
			return rc;
	}
	rc = aside_remove_all(mailbox, &request->info);
	if (rc == 0)
		rc = sync_folder(request, PATH_MAIN);
	if (rc == 0)
		rc = sync_folder(request, PATH_TEMPORARY);
	if (rc != 0)
		return rc;
	Pk__Empty reply = PK__EMPTY__INIT;
	return request_reply(request, &reply.base);
}

static void end_sessions(struct request *request)
{
	session_close_all(request->store, request->mailbox, "the mailbox is removed", false);
	refused_forget(request->store->refused, request->mailbox->id);
}

const struct method store_method_remove = {
	.core.number = PK__STORE_METHOD__STORE_REMOVE,
	.core.name = "remove",
	.core.roles = ROLE_CLI,
	.core.request = &pk__mailbox_request__descriptor,
	.scope = METHOD_MAILBOX,
	.without_mark = true,
	.run = remove_run,
	.finished = end_sessions,
};
