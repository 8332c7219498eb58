#include "store/space.h"

#include <sys/statvfs.h>

enum {
	VOLUME_SHARE = 16, /* of a small volume the reserve is this part at most */
	AGAIN_SHARE = 8,   /* this part of the reserve more must be free to take mail again */
};

static void say(const struct space *space, const struct log *log)
{
	if (space->low)
		log_error(log, "store.space_low", F_INT("free_bytes", space->free_bytes),
		          F_INT("reserve_bytes", space->reserve));
	else
		log_info(log, "store.space_again", F_INT("free_bytes", space->free_bytes),
		         F_INT("reserve_bytes", space->reserve));
}

void space_look(struct space *space, const struct log *log, const char *dir, uint64_t reserve)
{
	struct statvfs volume;
	bool was = space->low;
	if (statvfs(dir, &volume) != 0) {
		space->reserve = 0;
		space->low = false;
	} else {
		uint64_t share = (uint64_t)volume.f_blocks * volume.f_frsize / VOLUME_SHARE;
		space->free_bytes = (uint64_t)volume.f_bavail * volume.f_frsize;
		space->reserve = reserve < share ? reserve : share;
		space->low = space->free_bytes < space->reserve + (was ? space->reserve / AGAIN_SHARE : 0);
	}
	if (space->low != was)
		say(space, log);
}

bool space_refuses(const struct space *space, uint64_t pledged)
{
	return space->low || (space->reserve > 0 && space->free_bytes < space->reserve + pledged);
}
