#include "store/group.h"

/* RFC 9051 section 6.3.12. A repeat under the same append_id finds the first one's UID. */
const struct method store_method_append = {
	.core.number = PK__STORE_METHOD__STORE_APPEND,
	.core.name = "append",
	.core.roles = ROLE_MAIL | ROLE_CLI,
	.core.upload = true,
	.core.request = &pk__append_request__descriptor,
	.core.items_max = REQUEST_PARTS_MAX,
	.core.aside = true,
	.fills = true,
	.scope = METHOD_SESSION,
	.grouped = true,
	.run = group_run,
};
