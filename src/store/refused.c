#include "store/refused.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "store/mailbox.h"

/* A file as it was: another one in its place, or anything written to it, is another look. */
struct look {
	bool there;
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
};

struct reason {
	char mailbox[MAILBOX_ID_SIZE + 1];
	char *path; /* owned: of the mailbox file */
	char text[sizeof(((struct errinfo *)NULL)->text)];
	bool less;
	int64_t since_ms;
	struct look main, wal;
};

struct missing {
	char mailbox[MAILBOX_ID_SIZE + 1];
	uint64_t messages;
	bool told; /* its owner knows */
};

struct refused {
	struct map *reasons; /* by mailbox */
	struct map *missing; /* likewise, owned */
};

static struct look look_at(const char *path, const char *ending)
{
	char name[PATH_MAX];
	struct stat status;
	struct look look = {0};
	int len = snprintf(name, sizeof(name), "%s%s", path, ending);
	if (len < 0 || (size_t)len >= sizeof(name) || stat(name, &status) != 0)
		return look;
	look.there = true;
	look.device = status.st_dev;
	look.inode = status.st_ino;
	look.size = status.st_size;
	look.changed = status.st_ctim;
	return look;
}

static bool look_eq(const struct look *a, const struct look *b)
{
	return a->there == b->there && a->device == b->device && a->inode == b->inode &&
	       a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Somebody has done something about it since. */
static bool has_changed(const struct reason *reason)
{
	struct look main = look_at(reason->path, ""), wal = look_at(reason->path, "-wal");
	return !look_eq(&main, &reason->main) || !look_eq(&wal, &reason->wal);
}

static void reason_free(struct reason *reason)
{
	if (reason == NULL)
		return;
	free(reason->path);
	free(reason);
}

struct refused *refused_new(void)
{
	struct refused *refused = mem_new(sizeof(*refused));
	refused->reasons = map_new();
	refused->missing = map_new();
	return refused;
}

void refused_free(struct refused *refused)
{
	if (refused == NULL)
		return;
	struct str key;
	void *value;
	for (size_t position = 0; map_next(refused->reasons, &position, &key, &value);)
		reason_free(value);
	map_free(refused->reasons);
	for (size_t position = 0; map_next(refused->missing, &position, &key, &value);)
		free(value);
	map_free(refused->missing);
	free(refused);
}

static void forget_reason(struct refused *refused, const char *mailbox)
{
	reason_free(map_remove(refused->reasons, str_from(mailbox)));
}

void refused_forget(struct refused *refused, const char *mailbox)
{
	forget_reason(refused, mailbox);
	free(map_remove(refused->missing, str_from(mailbox)));
}

static struct reason *reason_of(struct refused *refused, const struct mailbox *mailbox)
{
	struct reason *reason = map_get(refused->reasons, str_from(mailbox->id));
	if (reason != NULL || map_count(refused->reasons) == REFUSED_MAX)
		return reason;
	struct buf path BUF_AUTO;
	buf_init(&path, PATH_MAX);
	mailbox_path(mailbox, PATH_MAIN, &path);
	reason = mem_new(sizeof(*reason));
	memcpy(reason->mailbox, mailbox->id, sizeof(reason->mailbox));
	reason->path = str_dup(str_from(path.ptr));
	reason->since_ms = clock_monotonic_ms();
	(void)map_put(refused->reasons, str_from(mailbox->id), reason);
	return reason;
}

void refused_note(struct refused *refused, const struct mailbox *mailbox, int error, bool less,
                  const char *text)
{
	if (error == 0)
		forget_reason(refused, mailbox->id);
	/* E_STALE: the file has another key than the directory says. */
	if (error != E_CORRUPT && error != E_IO && error != E_STALE && error != E_UNSUPPORTED)
		return;
	struct reason *reason = reason_of(refused, mailbox);
	if (reason == NULL)
		return;
	snprintf(reason->text, sizeof(reason->text), "%s", text);
	reason->less = less;
	reason->main = look_at(reason->path, "");
	reason->wal = look_at(reason->path, "-wal");
}

static void forget_changed(struct refused *refused)
{
	const char *gone[REFUSED_MAX];
	struct str key;
	void *value;
	size_t count = 0;
	for (size_t position = 0; map_next(refused->reasons, &position, &key, &value);) {
		struct reason *reason = value;
		if (has_changed(reason))
			gone[count++] = reason->mailbox;
	}
	for (size_t i = 0; i < count; i++)
		forget_reason(refused, gone[i]);
}

size_t refused_rows(struct refused *refused, Pk__RefusedMailbox *rows,
                    Pk__RefusedMailbox **pointers)
{
	struct str key;
	void *value;
	size_t count = 0;
	forget_changed(refused);
	for (size_t position = 0; map_next(refused->reasons, &position, &key, &value);) {
		struct reason *reason = value;
		pk__refused_mailbox__init(&rows[count]);
		rows[count].mailbox = reason->mailbox;
		rows[count].text = reason->text;
		rows[count].less = reason->less;
		rows[count].seconds = (uint64_t)(clock_monotonic_ms() - reason->since_ms) / 1000;
		pointers[count] = &rows[count];
		count++;
	}
	return count;
}

/* ---------------------------------------------------------------- missing mail */

void refused_note_missing(struct refused *refused, const char *mailbox, uint64_t messages,
                          bool told)
{
	struct missing *missing = map_get(refused->missing, str_from(mailbox));
	if (missing == NULL && map_count(refused->missing) == REFUSED_MAX)
		return;
	if (missing == NULL) {
		missing = mem_new(sizeof(*missing));
		snprintf(missing->mailbox, sizeof(missing->mailbox), "%s", mailbox);
		(void)map_put(refused->missing, str_from(missing->mailbox), missing);
	}
	/* Before the owner comes this is a part of what he will be told. */
	missing->messages = missing->told == told ? missing->messages + messages : messages;
	missing->told = told;
}

size_t refused_missing_rows(struct refused *refused, Pk__MissingMail *rows,
                            Pk__MissingMail **pointers)
{
	struct str key;
	void *value;
	size_t count = 0;
	for (size_t position = 0; map_next(refused->missing, &position, &key, &value);) {
		struct missing *missing = value;
		pk__missing_mail__init(&rows[count]);
		rows[count].mailbox = missing->mailbox;
		rows[count].messages = missing->messages;
		rows[count].told = missing->told;
		pointers[count] = &rows[count];
		count++;
	}
	return count;
}
