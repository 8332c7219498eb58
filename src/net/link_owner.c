/* Who stands behind the connections of a core: a process that the supervisor has named, a user
 * of this host, or an address of another. What there
 * is of a core, its places and its memory, is shared between these. */

#include <stdlib.h>

#include "base/mem.h"
#include "net/link_address.h"
#include "net/link_server_internal.h"

enum { KEY_MAX = LINK_ROLE_MAX + 64 };

static void make_key(struct buf *key, const struct sockaddr *address, uint32_t uid,
                     const struct link_origin *origin)
{
	unsigned char network[LINK_NETWORK_SIZE];
	if (origin != NULL) {
		buf_addf(key, "%s %u", origin->role, origin->process);
	} else if (address != NULL) {
		link_address_network(address, network);
		buf_add(key, (const char *)network, sizeof(network));
	} else {
		buf_addf(key, "uid %u", uid);
	}
}

struct link_owner *link_owner_get(struct link_server *server, const struct sockaddr *address,
                                  uint32_t uid, const struct link_origin *origin)
{
	struct buf bytes BUF_AUTO;
	buf_init(&bytes, KEY_MAX);
	make_key(&bytes, address, uid, origin);
	struct str key = buf_str(&bytes);
	struct link_owner *owner = map_get(server->owners, key);
	if (owner == NULL) {
		owner = mem_new(sizeof(*owner));
		owner->key = mem_copy_string(key.ptr, key.len);
		owner->key_len = key.len;
		map_put(server->owners, key, owner);
	}
	owner->users++;
	return owner;
}

void link_owner_release(struct link_server *server, struct link_owner *owner)
{
	if (--owner->users > 0)
		return;
	map_remove(server->owners, STR_OF(owner->key, owner->key_len));
	free(owner->key);
	free(owner);
}
