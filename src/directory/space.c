#include "directory/internal.h"

#include <limits.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/must.h"
#include "db/ballast.h"
#include "directory/directory.h"

/*
 * The directory's file grows by little, but a volume without any room is one that nobody could be disabled on,
 * nor removed. So it has some ballast of its own (db/ballast.h), given back for everything but new aliases.
 */

enum {
	SHARE = 16,
	PIECE = 128 * 1024,
	TEND_MS = 10 * 1000,
};

/* A share of what is configured for mail. */
static uint64_t asked(const struct config *config)
{
	return (uint64_t)config_number(config, "disk_ballast") / SHARE;
}

uint64_t directory_ballast_wanted(const char *folder, const struct config *config)
{
	return ballast_size(folder, asked(config));
}

void directory_space_configure(struct directory *d, const struct config *config)
{
	d->reserve = (uint64_t)config_number(config, "disk_reserve");
	d->ballast_asked = asked(config);
}

static void tend(void *ctx)
{
	struct directory *d = ctx;
	struct errinfo info = {0};
	uint64_t free_bytes = 0, reserve = 0, had = ballast_bytes(d->ballast);
	uint64_t wanted = ballast_size(d->folder, d->ballast_asked);
	timer_start(d->ballast_timer, TEND_MS);
	if (had == wanted || !volume_room(d->folder, d->reserve, &free_bytes, &reserve) ||
	    (had < wanted && free_bytes < volume_enough(reserve) + wanted - had))
		return;
	int rc = ballast_tend(d->ballast, wanted, wanted, &info);
	if (rc != 0 && rc != d->ballast_error)
		log_error(d->log, "directory.ballast_failed", F_ERR(rc), F_TEXT("text", info.text));
	d->ballast_error = rc;
}

void directory_space_start(struct directory *d)
{
	struct buf path;
	ptrdiff_t slash = str_rfind_byte(str_from(d->path), '/');
	d->folder = str_dup(slash < 0 ? STR(".") : str_slice(str_from(d->path), 0, (size_t)slash));
	buf_init(&path, PATH_MAX);
	buf_addf(&path, "%s/" BALLAST_NAME, d->folder);
	buf_add_byte(&path, '\0');
	must(!path.failed);
	d->ballast = path.ptr;
	d->ballast_timer = timer_new(d->loop, tend, d);
	tend(d);
}

void directory_space_stop(struct directory *d)
{
	timer_free(d->ballast_timer);
	free(d->folder);
	free(d->ballast);
}

bool directory_space_give(struct directory *d, unsigned repeat)
{
	uint64_t free_bytes = 0, reserve, needed = (uint64_t)PIECE << repeat;
	bool given = false;
	while (volume_room(d->folder, 0, &free_bytes, &reserve) && free_bytes < needed &&
	       ballast_give(d->ballast, PIECE))
		given = true;
	if (given)
		log_error(d->log, "directory.ballast_given",
		          F_INT("left_bytes", ballast_bytes(d->ballast)));
	return given || free_bytes >= needed;
}
