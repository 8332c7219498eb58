#include "store/internal.h"
#include "store/turn.h"

/* Which requests have a share of the ballast (space.h). */

enum { REPEATS_MAX = 4 }; /* with more room each time, from a piece of the ballast to eight */

/* What makes room, or is only read, has a share of the ballast. */
static bool draws(const struct request *request)
{
	const struct method *method = request->method;
	if (method == NULL)
		return true; /* our own */
	return method->scope != METHOD_TARGETS && !method->fills &&
	       (!method->grows ||
	        (method->frees != NULL && request->message != NULL && method->frees(request->message)));
}

void room_make(const struct request *request)
{
	struct space *space = &request->store->space;
	if (space_tight(space) && draws(request))
		space_give(space, SPACE_PIECE / 2);
}

bool room_for_another(struct request *request)
{
	struct store *store = request->store;
	if (request->error != E_NO_SPACE || request->repeats == REPEATS_MAX || store->stopping ||
	    !draws(request) || !space_give(&store->space, (uint64_t)SPACE_PIECE << request->repeats))
		return false;
	request->repeats++;
	/* A secret that was shown before is not held any more: one that opens begins anew. */
	if (request_brings_secret(request->method) && request->state != NULL) {
		request->state_free(request->state);
		request->state = NULL;
	}
	request->error = 0;
	request->change_count = 0;
	return true;
}
