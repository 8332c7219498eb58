#ifndef POSTKASSE_NET_LINK_ADDRESS_H
#define POSTKASSE_NET_LINK_ADDRESS_H

/* Lists of numeric addresses and networks: who may link, who may log in without TLS. Pure functions. */

#include <sys/socket.h>

#include "base/str.h"

/* Whether the word is an entry of such a list. */
bool link_address_valid(struct str word);
/* Whether address (IPv4, IPv6, or IPv4 mapped into IPv6) is in the list: numeric addresses, or
 * address/prefix length; NULL-terminated. Nothing is in a NULL list; an entry that does not parse
 * matches nothing. */
bool link_address_allowed(const struct sockaddr *address, const char *const *list);
/* Whether a numeric address is the one, or of the network, that entry names. */
bool link_address_in(const char *address, struct str entry);

/* "192.0.2.1:7101" or "[2001:db8::1]:7101"; of another family "". */
enum { LINK_ADDRESS_SIZE = 64 };
void link_address_format(const struct sockaddr *address, char ret[LINK_ADDRESS_SIZE]);

enum { LINK_NETWORK_SIZE = 16 };

/* The network that address belongs to, as IPv6: an IPv4 address, or a /64 of IPv6; zeros for what is
 * neither. */
void link_address_network(const struct sockaddr *address, unsigned char ret[LINK_NETWORK_SIZE]);

#endif
