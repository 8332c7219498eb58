#include "store/space.h"

#include <limits.h>
#include <stdio.h>
#include <sys/statvfs.h>

enum {
	VOLUME_SHARE = 16, /* of a small volume the reserve is this part at most */
	AGAIN_SHARE = 8,   /* this part of the reserve more must be free to take mail again */
};

static const char *const folders[SPACE_VOLUMES] = {"mailboxes", "temporary"};

static void say(const struct volume *volume, const struct log *log)
{
	if (volume->low)
		log_error(log, "store.space_low", F_TEXT("folder", volume->folder),
		          F_INT("free_bytes", volume->free_bytes), F_INT("reserve_bytes", volume->reserve));
	else
		log_info(log, "store.space_again", F_TEXT("folder", volume->folder),
		         F_INT("free_bytes", volume->free_bytes), F_INT("reserve_bytes", volume->reserve));
}

static void look(struct volume *volume, const char *data_dir, uint64_t reserve)
{
	struct statvfs found;
	char path[PATH_MAX];
	bool was = volume->low;
	int len = snprintf(path, sizeof(path), "%s/%s", data_dir, volume->folder);
	if (len < 0 || (size_t)len >= sizeof(path) || statvfs(path, &found) != 0) {
		volume->free_bytes = volume->reserve = 0;
		volume->low = false;
		return;
	}
	uint64_t share = (uint64_t)found.f_blocks * found.f_frsize / VOLUME_SHARE;
	volume->free_bytes = (uint64_t)found.f_bavail * found.f_frsize;
	volume->reserve = reserve < share ? reserve : share;
	volume->low = volume->free_bytes < volume->reserve + (was ? volume->reserve / AGAIN_SHARE : 0);
}

void space_look(struct space *space, const struct log *log, const char *data_dir, uint64_t reserve)
{
	for (size_t i = 0; i < SPACE_VOLUMES; i++) {
		struct volume *volume = &space->volumes[i];
		bool was = volume->low;
		volume->folder = folders[i];
		look(volume, data_dir, reserve);
		if (volume->low != was)
			say(volume, log);
	}
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
