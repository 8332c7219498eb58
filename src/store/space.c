#include "store/space.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/ballast.h"
#include "store/store.h"

enum {
	TIGHT = 4 * SPACE_PIECE,
	GROWTH = 4 * 1024 * 1024, /* of the ballast, at once */
};

enum { MAILBOXES };

static const char *const folders[SPACE_VOLUMES] = {[MAILBOXES] = "mailboxes", "temporary"};

static bool path_of(const struct space *space, const char *folder, const char *name,
                    char ret[PATH_MAX])
{
	int len = snprintf(ret, PATH_MAX, "%s/%s/%s", space->data_dir, folder, name);
	return len > 0 && len < PATH_MAX;
}

/* ---------------------------------------------------------------- the reserve */

static void say(const struct volume *volume, const struct log *log)
{
	if (volume->low)
		log_error(log, "store.space_low", F_TEXT("folder", volume->folder),
		          F_INT("free_bytes", volume->free_bytes), F_INT("reserve_bytes", volume->reserve));
	else
		log_info(log, "store.space_again", F_TEXT("folder", volume->folder),
		         F_INT("free_bytes", volume->free_bytes), F_INT("reserve_bytes", volume->reserve));
}

static bool measure(const struct space *space, const char *folder, uint64_t *ret_free,
                    uint64_t *ret_reserve)
{
	char path[PATH_MAX];
	return path_of(space, folder, "", path) &&
	       volume_room(path, space->reserve, ret_free, ret_reserve);
}

static void look(const struct space *space, struct volume *volume)
{
	bool was = volume->low;
	if (!measure(space, volume->folder, &volume->free_bytes, &volume->reserve))
		volume->free_bytes = volume->reserve = 0;
	volume->low = volume->free_bytes < (was ? volume_enough(volume->reserve) : volume->reserve);
}

void space_look(struct space *space)
{
	bool low = false;
	for (size_t i = 0; i < SPACE_VOLUMES; i++) {
		struct volume *volume = &space->volumes[i];
		bool was = volume->low;
		volume->folder = folders[i];
		look(space, volume);
		if (volume->low != was)
			say(volume, space->log);
		low = low || volume->low;
	}
	atomic_store_explicit(&space->low, low, memory_order_relaxed);
	const struct volume *mailboxes = &space->volumes[MAILBOXES];
	atomic_store_explicit(&space->mailboxes_reserve, mailboxes->reserve, memory_order_relaxed);
	atomic_store_explicit(&space->mailboxes_free, mailboxes->free_bytes, memory_order_relaxed);
}

bool space_refuses(const struct space *space, uint64_t pledged)
{
	for (size_t i = 0; i < SPACE_VOLUMES; i++) {
		const struct volume *volume = &space->volumes[i];
		if (volume->low || (volume->reserve > 0 && volume->free_bytes < volume->reserve + pledged))
			return true;
	}
	return false;
}

bool space_short(const struct space *space)
{
	return atomic_load_explicit(&space->low, memory_order_relaxed);
}

bool space_plenty(const struct space *space, uint64_t bytes)
{
	return atomic_load_explicit(&space->mailboxes_free, memory_order_relaxed) >=
	       atomic_load_explicit(&space->mailboxes_reserve, memory_order_relaxed) + bytes;
}

bool space_has_room(const struct space *space, uint64_t bytes, unsigned share)
{
	uint64_t free_bytes, unused;
	char path[PATH_MAX];
	uint64_t kept = atomic_load_explicit(&space->mailboxes_reserve, memory_order_relaxed) / share;
	return !path_of(space, folders[MAILBOXES], "", path) ||
	       !volume_room(path, 0, &free_bytes, &unused) || free_bytes >= bytes + kept;
}

/* ---------------------------------------------------------------- the ballast */

/* The first folder of a volume holds it for all. Never below a mount that is missing. */
static bool holds_ballast(const struct space *space, size_t which, char ret_path[PATH_MAX])
{
	char path[PATH_MAX];
	struct stat here, other;
	if (!path_of(space, folders[which], BALLAST_NAME, ret_path) ||
	    !path_of(space, folders[which], STORE_FOLDER_MARKER, path) || stat(path, &here) != 0)
		return false;
	for (size_t i = 0; i < which; i++)
		if (path_of(space, folders[i], "", path) && stat(path, &other) == 0 &&
		    other.st_dev == here.st_dev)
			return false;
	return true;
}

static void tend(struct space *space, size_t which)
{
	struct volume *volume = &space->volumes[which];
	struct errinfo info = {0};
	char path[PATH_MAX] = "", folder[PATH_MAX];
	bool holds = holds_ballast(space, which, path) && path_of(space, volume->folder, "", folder);
	uint64_t had = ballast_bytes(path), wanted = holds ? ballast_size(folder, space->ballast) : 0;
	uint64_t growth = wanted < had ? 0 : wanted - had < GROWTH ? wanted - had : GROWTH;
	volume->ballast_wanted = wanted;
	volume->ballast = had;
	if (had == wanted ||
	    (growth > 0 && volume->free_bytes < volume_enough(volume->reserve) + growth))
		return;
	int rc = ballast_tend(path, wanted, GROWTH, &info);
	if (rc != 0 && rc != volume->ballast_error)
		log_error(space->log, "store.ballast_failed", F_TEXT("folder", volume->folder), F_ERR(rc),
		          F_TEXT("text", info.text));
	volume->ballast_error = rc;
	volume->ballast = ballast_bytes(path);
	if (rc == 0 && had < volume->ballast && volume->ballast >= volume->ballast_wanted)
		log_info(space->log, "store.ballast_whole", F_TEXT("folder", volume->folder),
		         F_INT("bytes", volume->ballast));
}

void space_tend(struct space *space)
{
	space_look(space);
	for (size_t i = 0; i < SPACE_VOLUMES; i++)
		tend(space, i);
}

bool space_tight(const struct space *space)
{
	for (size_t i = 0; i < SPACE_VOLUMES; i++)
		if (space->volumes[i].free_bytes < TIGHT)
			return true;
	return false;
}

static bool give(struct space *space, size_t which, uint64_t needed)
{
	struct volume *volume = &space->volumes[which];
	char path[PATH_MAX];
	uint64_t reserve, had = volume->free_bytes;
	bool given = false;
	if (had >= needed || !holds_ballast(space, which, path))
		return false;
	while (volume->free_bytes < needed && ballast_give(path, SPACE_PIECE)) {
		given = true;
		if (!measure(space, volume->folder, &volume->free_bytes, &reserve))
			break;
	}
	volume->ballast = ballast_bytes(path);
	if (given)
		log_error(space->log, "store.ballast_given", F_TEXT("folder", volume->folder),
		          F_INT("free_bytes", had), F_INT("left_bytes", volume->ballast));
	return given;
}

bool space_give(struct space *space, uint64_t needed)
{
	bool given = false, fine = true;
	space_look(space);
	for (size_t i = 0; i < SPACE_VOLUMES; i++)
		given = give(space, i, needed) || given;
	space_look(space); /* folders may share a volume */
	for (size_t i = 0; i < SPACE_VOLUMES; i++)
		fine = fine && space->volumes[i].free_bytes >= needed;
	return given || fine;
}
