#include "store/group.h"

/* RFC 9051 section 6.3.12. A repeat under the same append_id finds the first one's UID. */
const struct method store_method_append = {
	.number = PK__STORE_METHOD__STORE_APPEND,
	.name = "append",
	.fills = true,
	.roles = ROLE_MAIL | ROLE_CLI,
	.scope = METHOD_SESSION,
	.upload = true,
	.grouped = true,
	.request = &pk__append_request__descriptor,
	.items_max = REQUEST_PARTS_MAX,
	.run = group_run,
};
