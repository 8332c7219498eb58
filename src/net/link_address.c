#include "net/link_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { BITS = 128, V4_OFFSET = 12, NETWORK_SIZE = 8 };

/* Every address as IPv6: RFC 4291 section 2.5.5.2. */
struct address {
	unsigned char bytes[16];
};

static struct address from_v4(const void *bytes)
{
	struct address address = {{0}};
	address.bytes[10] = address.bytes[11] = 0xff;
	memcpy(address.bytes + V4_OFFSET, bytes, 4);
	return address;
}

static bool from_sockaddr(const struct sockaddr *from, struct address *ret)
{
	if (from->sa_family == AF_INET) {
		*ret = from_v4(&((const struct sockaddr_in *)(const void *)from)->sin_addr);
		return true;
	}
	if (from->sa_family != AF_INET6)
		return false;
	memcpy(ret->bytes, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, 16);
	return true;
}

/* Parses address[/length]; *ret_bits counts over the IPv6 form. */
static bool from_text(struct str text, struct address *ret, unsigned int *ret_bits)
{
	ptrdiff_t slash = str_find_byte(text, '/');
	struct str numeric = slash < 0 ? text : str_slice(text, 0, (size_t)slash);
	char name[INET6_ADDRSTRLEN];
	if (numeric.len >= sizeof(name))
		return false;
	memcpy(name, numeric.ptr, numeric.len);
	name[numeric.len] = '\0';
	struct in_addr v4;
	unsigned int base = 0;
	if (inet_pton(AF_INET, name, &v4) == 1) {
		*ret = from_v4(&v4);
		base = V4_OFFSET * 8;
	} else if (inet_pton(AF_INET6, name, ret->bytes) != 1) {
		return false;
	}
	uint64_t length = BITS - base;
	if (slash >= 0 && !str_to_u64(str_from_byte(text, (size_t)slash + 1), BITS - base, &length))
		return false;
	*ret_bits = base + (unsigned int)length;
	return true;
}

static bool in_prefix(const struct address *address, const struct address *prefix,
                      unsigned int bits)
{
	for (unsigned int i = 0; i < bits; i++) {
		unsigned int mask = 0x80u >> (i % 8);
		if (((unsigned int)(address->bytes[i / 8] ^ prefix->bytes[i / 8]) & mask) != 0)
			return false;
	}
	return true;
}

void link_address_network(const struct sockaddr *address, unsigned char ret[LINK_NETWORK_SIZE])
{
	struct address full = {{0}};
	const struct address v4 = from_v4("\0\0\0");
	if (from_sockaddr(address, &full) && memcmp(full.bytes, v4.bytes, V4_OFFSET) != 0)
		memset(full.bytes + NETWORK_SIZE, 0, LINK_NETWORK_SIZE - NETWORK_SIZE);
	memcpy(ret, full.bytes, LINK_NETWORK_SIZE);
}

bool link_address_valid(struct str word)
{
	struct address unused;
	unsigned int bits;
	return from_text(word, &unused, &bits);
}

bool link_address_allowed(const struct sockaddr *address, const char *const *list)
{
	struct address ours, prefix;
	unsigned int bits;
	if (list == NULL || !from_sockaddr(address, &ours))
		return false;
	for (; *list != NULL; list++)
		if (from_text(str_from(*list), &prefix, &bits) && in_prefix(&ours, &prefix, bits))
			return true;
	return false;
}

void link_address_format(const struct sockaddr *address, char ret[LINK_ADDRESS_SIZE])
{
	char name[INET6_ADDRSTRLEN] = "";
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
	ret[0] = '\0';
	if (address->sa_family == AF_INET &&
	    inet_ntop(AF_INET, &v4->sin_addr, name, sizeof(name)) != NULL)
		snprintf(ret, LINK_ADDRESS_SIZE, "%s:%u", name, ntohs(v4->sin_port));
	else if (address->sa_family == AF_INET6 &&
	         inet_ntop(AF_INET6, &v6->sin6_addr, name, sizeof(name)) != NULL)
		snprintf(ret, LINK_ADDRESS_SIZE, "[%s]:%u", name, ntohs(v6->sin6_port));
}

bool link_address_in(const char *address, struct str entry)
{
	struct address ours, prefix;
	unsigned int bits;
	struct str text = str_from(address);
	return str_find_byte(text, '/') < 0 && from_text(text, &ours, &bits) &&
	       from_text(entry, &prefix, &bits) && in_prefix(&ours, &prefix, bits);
}
