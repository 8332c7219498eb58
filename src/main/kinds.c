#include "main/kinds.h"

#include <stdio.h>

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
		.folders = store_folders,
		.listen = {{"link-tls", "store_listen"}},
		.run = store_run,
	},
	{
		.name = "imap",
		.front = true,
		.user = 2,
		.processes = "imap_processes",
		.listen = {{"imap", "imap_listen"}, {"imaps", "imaps_listen"}},
		.run = imap_run,
	},
	{
		.name = "smtp",
		.front = true,
		.user = 3,
		.processes = "smtp_processes",
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
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (str_eq(name, str_from(table[i].name)))
			return &table[i];
	}
	return NULL;
}

bool kind_socket_path(const struct config *config, const char *role, char *ret, size_t size)
{
	int len = snprintf(ret, size, "%s/%s.sock", config_text(config, "run_dir"), role);
	return len > 0 && (size_t)len < size;
}
