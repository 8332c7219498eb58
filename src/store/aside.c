#include "store/aside.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "store/server.h"

enum { NONE_ASIDE_MS = 60 * 1000 };

static const char *const words[] = {"damaged", "salvaged"};

void aside_path(const struct mailbox *mailbox, enum aside which, unsigned number, struct buf *ret)
{
	mailbox_path(mailbox, PATH_TEMPORARY, ret);
	ret->len--;
	buf_addf(ret, ".%s-%u", words[which], number);
	buf_add_byte(ret, '\0');
	must(!ret->failed);
}

void aside_name(const struct mailbox *mailbox, enum aside which, unsigned number, struct buf *ret)
{
	buf_addf(ret, "%s.sqlite.%s-%u", mailbox->id, words[which], number);
}

int aside_there(const struct mailbox *mailbox, enum aside which, unsigned number, bool *ret,
                struct errinfo *info)
{
	struct buf path BUF_AUTO;
	buf_init(&path, PATH_MAX);
	aside_path(mailbox, which, number, &path);
	return mailbox_path_there(path.ptr, ret, info);
}

/* The first number that no file has. */
static int free_number(const struct mailbox *mailbox, unsigned *ret, struct errinfo *info)
{
	for (unsigned number = 1; number <= ASIDE_MAX; number++) {
		bool damaged, salvaged = false;
		int rc = aside_there(mailbox, ASIDE_DAMAGED, number, &damaged, info);
		if (rc == 0 && !damaged)
			rc = aside_there(mailbox, ASIDE_SALVAGED, number, &salvaged, info);
		if (rc != 0)
			return rc;
		*ret = number;
		if (!damaged && !salvaged)
			return 0;
	}
	return err_set(info, E_LIMIT, "too many damaged temporary mailboxes were set aside");
}

int aside_waiting(struct mailbox *mailbox, unsigned *ret_number, struct errinfo *info)
{
	int64_t now = clock_monotonic_ms();
	*ret_number = 0;
	if (now < mailbox->none_aside_until_ms)
		return 0;
	for (unsigned number = 1; number <= ASIDE_MAX && *ret_number == 0; number++) {
		bool there;
		int rc = aside_there(mailbox, ASIDE_DAMAGED, number, &there, info);
		if (rc != 0)
			return rc;
		*ret_number = there ? number : 0;
	}
	mailbox->none_aside_until_ms = *ret_number == 0 ? now + NONE_ASIDE_MS : 0;
	return 0;
}

/* A log goes with its file. It is renamed first: a file that stays behind alone does not open, or else
 * closing it would have emptied the log; so nothing is added to it before this is done again. */
static int rename_both(const char *from, const char *to, struct errinfo *info)
{
	struct buf from_wal BUF_AUTO, to_wal BUF_AUTO;
	buf_init(&from_wal, PATH_MAX);
	buf_init(&to_wal, PATH_MAX);
	buf_addf(&from_wal, "%s-wal", from);
	buf_addf(&to_wal, "%s-wal", to);
	buf_add_byte(&from_wal, '\0');
	buf_add_byte(&to_wal, '\0');
	bool has_wal;
	int rc = mailbox_path_there(from_wal.ptr, &has_wal, info);
	if (rc != 0)
		return rc;
	/* That of a file that somebody has removed without it. */
	if (!has_wal && unlink(to_wal.ptr) != 0 && errno != ENOENT)
		return err_set(info, err_from_errno(errno), "cannot remove the log of a file that is gone");
	if ((has_wal && rename(from_wal.ptr, to_wal.ptr) != 0) || rename(from, to) != 0)
		return err_set(info, err_from_errno(errno),
		               "cannot set a damaged temporary mailbox aside: %s", strerror(errno));
	return 0;
}

int aside_put(struct mailbox *mailbox, struct errinfo *info)
{
	mailbox_temporary_close_as_found(mailbox);
	mailbox->none_aside_until_ms = 0;
	unsigned number = 0;
	int rc = free_number(mailbox, &number, info);
	if (rc != 0)
		return rc;
	struct buf from BUF_AUTO, to BUF_AUTO, name BUF_AUTO;
	buf_init(&from, PATH_MAX);
	buf_init(&to, PATH_MAX);
	buf_init(&name, PATH_MAX);
	mailbox_path(mailbox, PATH_TEMPORARY, &from);
	aside_path(mailbox, ASIDE_DAMAGED, number, &to);
	rc = rename_both(from.ptr, to.ptr, info);
	if (rc == 0)
		rc = mailbox_sync_folder(mailbox, PATH_TEMPORARY, info);
	if (rc != 0)
		return rc;
	aside_name(mailbox, ASIDE_DAMAGED, number, &name);
	log_error(store_log(mailbox->store), "store.temporary_damaged", F_TEXT("mailbox", mailbox->id),
	          F_STR("set_aside", buf_str(&name)));
	return 0;
}

int aside_finish(const struct mailbox *mailbox, unsigned number, struct errinfo *info)
{
	struct buf from BUF_AUTO, to BUF_AUTO;
	buf_init(&from, PATH_MAX);
	buf_init(&to, PATH_MAX);
	aside_path(mailbox, ASIDE_DAMAGED, number, &from);
	aside_path(mailbox, ASIDE_SALVAGED, number, &to);
	int rc = rename_both(from.ptr, to.ptr, info);
	return rc == 0 ? mailbox_sync_folder(mailbox, PATH_TEMPORARY, info) : rc;
}

int aside_remove_all(const struct mailbox *mailbox, struct errinfo *info)
{
	for (unsigned number = 1; number <= ASIDE_MAX; number++) {
		for (enum aside which = ASIDE_DAMAGED; which <= ASIDE_SALVAGED; which++) {
			struct buf path BUF_AUTO;
			bool removed;
			buf_init(&path, PATH_MAX);
			aside_path(mailbox, which, number, &path);
			int rc = mailbox_remove_path(path.ptr, &removed, info);
			if (rc == 0 && removed)
				rc = mailbox_sync_folder(mailbox, PATH_TEMPORARY, info);
			if (rc != 0)
				return rc;
		}
	}
	return 0;
}
