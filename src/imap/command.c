#include "imap/command.h"

#include "base/mem.h"

/* Sorted by name; test/unit/imap/command_test.c checks that. */
static const struct imap_command *const table[] = {
	&imap_cmd_append,     &imap_cmd_authenticate, &imap_cmd_capability, &imap_cmd_check,
	&imap_cmd_close,      &imap_cmd_copy,         &imap_cmd_create,     &imap_cmd_delete,
	&imap_cmd_enable,     &imap_cmd_examine,      &imap_cmd_expunge,    &imap_cmd_fetch,
	&imap_cmd_id,         &imap_cmd_idle,         &imap_cmd_list,       &imap_cmd_login,
	&imap_cmd_logout,     &imap_cmd_lsub,         &imap_cmd_move,       &imap_cmd_namespace,
	&imap_cmd_noop,       &imap_cmd_rename,       &imap_cmd_search,     &imap_cmd_select,
	&imap_cmd_starttls,   &imap_cmd_status,       &imap_cmd_store,      &imap_cmd_subscribe,
	&imap_cmd_uid_copy,   &imap_cmd_uid_expunge,  &imap_cmd_uid_fetch,  &imap_cmd_uid_move,
	&imap_cmd_uid_search, &imap_cmd_uid_store,    &imap_cmd_unselect,   &imap_cmd_unsubscribe,
};

const struct imap_command *const *imap_commands(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(table);
	return table;
}

const struct imap_command *imap_command_find(struct str name)
{
	size_t low = 0, high = ARRAY_LEN(table);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = str_compare_nocase(str_from(table[middle]->name), name);
		if (order == 0)
			return table[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
