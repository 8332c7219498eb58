#include "net/role.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

unsigned role_bit(const char *name)
{
	static const struct {
		const char *name;
		unsigned bit;
	} roles[] = {
		{"imap", ROLE_IMAP},
		{"pop3", ROLE_POP3},
		{"smtp", ROLE_SMTP},
		{"submission", ROLE_SUBMISSION},
		{"web", ROLE_WEB},
		{"courier", ROLE_COURIER},
		{"queue", ROLE_QUEUE},
		{"store", ROLE_STORE},
		{"directory", ROLE_DIRECTORY},
		{"cli", ROLE_CLI},
	};
	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		if (strcmp(name, roles[i].name) == 0)
			return roles[i].bit;
	return 0;
}

int role_socket(const struct role *role, const char *name)
{
	for (size_t i = 0; i < role->socket_count; i++)
		if (strcmp(role->sockets[i].name, name) == 0)
			return role->sockets[i].fd;
	return -1;
}

char **role_link_addresses(const struct role *role)
{
	size_t position = 0, count = 0;
	struct str word;
	char **addresses = mem_new_array(1, sizeof(*addresses));
	while (config_list_next(role->config, "link_allowed_addresses", &position, &word)) {
		addresses = mem_grow(addresses, count + 2, sizeof(*addresses));
		addresses[count++] = str_dup(word);
		addresses[count] = NULL;
	}
	return addresses;
}

void role_link_addresses_free(char **addresses)
{
	for (size_t i = 0; addresses[i] != NULL; i++)
		free(addresses[i]);
	free(addresses);
}
