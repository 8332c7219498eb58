#include "store/aside.h"
#include "store/request.h"

/* REMOVE: a mailbox, what waits for it, and leftovers. Its sessions end (server.c). */

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
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		rc = mailbox_remove_file(mailbox, files[i], &request->info);
		if (rc != 0)
			return rc;
	}
	rc = aside_remove_all(mailbox, &request->info);
	if (rc != 0)
		return rc;
	Pk__Empty reply = PK__EMPTY__INIT;
	return request_reply(request, &reply.base);
}

const struct method store_method_remove = {
	.number = PK__STORE_METHOD__STORE_REMOVE,
	.name = "remove",
	.roles = ROLE_CLI,
	.scope = METHOD_MAILBOX,
	.request = &pk__mailbox_request__descriptor,
	.run = remove_run,
};
