#include "main/kinds.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "directory/directory.h"
#include "imap/imap.h"
#include "smtp/smtp.h"
#include "store/store.h"

static const char *const directory_folders[] = {"directory", NULL};
static const char *const store_folders[] = {"mailboxes", "temporary", NULL};

static const struct kind table[] = {
	{
		.name = "directory",
		.user = 1,
		.folders = directory_folders,
		.listen = {{"link-tls", "directory_listen"}},
		.run = directory_run,
	},
	{
		.name = "store",
		.user = 0,
		.links = {"directory"},
		.folders = store_folders,
		.listen = {{"link-tls", "store_listen"}},
		.run = store_run,
	},
	{
		.name = "imap",
		.front = true,
		.user = 2 * KIND_PROCESSES_MAX,
		.links = {"store", "directory"},
		.processes = "imap_processes",
		.memory = "imap_memory_max",
		.listen = {{"imap", "imap_listen"}, {"imaps", "imaps_listen"}},
		.run = imap_run,
	},
	{
		.name = "smtp",
		.front = true,
		.user = 3 * KIND_PROCESSES_MAX,
		.links = {"store", "directory"},
		.processes = "smtp_processes",
		.memory = "smtp_memory_max",
		.listen = {{"smtp", "smtp_listen"}},
		.run = smtp_run,
	},
};

const struct kind *kinds(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(table);
	return table;
}

const struct kind *kind_find(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (str_eq(name, str_from(table[i].name)))
			return &table[i];
	return NULL;
}

uint32_t kind_number(const struct kind *kind)
{
	return (uint32_t)(kind - table);
}

const struct kind *kind_numbered(uint32_t number)
{
	return number < ARRAY_LEN(table) ? &table[number] : NULL;
}

int kind_link_place(const struct kind *kind, const struct kind *core)
{
	for (int i = 0; kind->links[i] != NULL; i++)
		if (strcmp(kind->links[i], core->name) == 0)
			return i;
	return -1;
}

uint32_t kind_user(const struct kind *kind, uint32_t uid_base, unsigned index)
{
	return uid_base + kind->user + index;
}

bool kind_socket_path(const struct config *config, const char *role, char *ret, size_t size)
{
	int len = snprintf(ret, size, "%s/%s.sock", config_text(config, "run_dir"), role);
	return len > 0 && (size_t)len < size;
}
