#include <stdlib.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "main/cli_cores.h"

#include "directory.pb-c.h"

void cli_add_column(struct buf *out, const char *text, size_t width)
{
	size_t from = out->len, columns = 0;
	buf_add_text(out, text);
	utf8_disarm(out->ptr + from, out->len - from, "");
	for (size_t at = from; at < out->len; at++)
		columns += ((unsigned char)out->ptr[at] & 0xc0) != 0x80;
	do
		buf_add_byte(out, ' ');
	while (++columns <= width);
}

int cli_each_page(struct cli *cli, const struct cli_list *list, void *ctx, struct errinfo *info)
{
	char *after = str_dup(STR(""));
	int rc = 0;
	while (after != NULL && rc == 0) {
		Pk__ListRequest request = PK__LIST_REQUEST__INIT;
		ProtobufCMessage *page;
		request.after = after;
		if (cli->arguments[0] != NULL)
			request.domain = (char *)(uintptr_t)cli->arguments[0];
		rc = cores_directory(cli, list->method, &request.base, list->type, &page, info);
		if (rc != 0)
			break;
		const char *last = list->print(cli, page, ctx);
		free(after);
		after = last == NULL ? NULL : str_dup(str_from(last));
		protobuf_c_message_free_unpacked(page, NULL);
	}
	free(after);
	return rc;
}

int cli_list_pages(struct cli *cli, const struct cli_list *list, struct errinfo *info)
{
	if (cli->json) {
		json_object(&cli->writer);
		json_name(&cli->writer, list->name);
		json_array(&cli->writer);
	}
	int rc = cli_each_page(cli, list, NULL, info);
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
