#include <stdlib.h>

#include "base/mem.h"
#include "main/cli_cores.h"

#include "directory.pb-c.h"

int cli_list_pages(struct cli *cli, const struct cli_list *list, struct errinfo *info)
{
	char *after = str_dup(STR(""));
	int rc = 0;
	if (cli->json) {
		json_object(&cli->writer);
		json_name(&cli->writer, list->name);
		json_array(&cli->writer);
	}
	while (after != NULL && rc == 0) {
		Pk__ListRequest request = PK__LIST_REQUEST__INIT;
		ProtobufCMessage *page;
		request.after = after;
		if (cli->arguments[0] != NULL)
			request.domain = (char *)(uintptr_t)cli->arguments[0];
		rc = cores_directory(cli, list->method, &request.base, list->type, &page, info);
		if (rc != 0)
			break;
		const char *last = list->print(cli, page);
		free(after);
		after = last == NULL ? NULL : str_dup(str_from(last));
		protobuf_c_message_free_unpacked(page, NULL);
	}
	free(after);
	if (rc != 0) {
		buf_clear(cli->out);
		return rc;
	}
	if (cli->json) {
		json_array_end(&cli->writer);
		json_object_end(&cli->writer);
	}
	return 0;
}
