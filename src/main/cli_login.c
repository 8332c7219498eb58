#include "main/cli_cores.h"

#include "directory.pb-c.h"

/* login list, unlock: wrong logins that are being slowed down */

#define METHOD(name) PK__DIRECTORY_METHOD__DIRECTORY_##name

static void print_failures(struct cli *cli, const Pk__FailureListReply *list)
{
	struct json *json = &cli->writer;
	for (size_t i = 0; i < list->n_failures; i++) {
		const Pk__Failure *row = list->failures[i];
		if (cli->json) {
			json_object(json);
			json_text_field(json, "address", row->address);
			json_text_field(json, "network", row->network);
			json_number_field(json, "count", row->count);
			json_number_field(json, "seconds", row->seconds);
			json_number_field(json, "delay_ms", row->delay_ms);
			json_object_end(json);
			continue;
		}
		const char *address = row->address[0] == '\0' ? "(all addresses)" : row->address;
		cli_add_column(cli->out, address, 40);
		cli_add_column(cli->out, row->network, 26);
		buf_addf(cli->out, " %6llu wrong, next answer after %llu ms\n",
		         (unsigned long long)row->count, (unsigned long long)row->delay_ms);
	}
}

static int call(struct cli *cli, uint32_t method, const ProtobufCMessage *request,
                Pk__FailureListReply **ret, struct errinfo *info)
{
	ProtobufCMessage *message;
	int rc = cores_directory(cli, method, request, &pk__failure_list_reply__descriptor, &message,
	                         info);
	*ret = (Pk__FailureListReply *)message;
	return rc;
}

int cli_login_list(struct cli *cli, struct errinfo *info)
{
	Pk__ListRequest request = PK__LIST_REQUEST__INIT;
	Pk__FailureListReply *list;
	int rc = call(cli, METHOD(FAILURE_LIST), &request.base, &list, info);
	if (rc != 0)
		return rc;
	if (cli->json) {
		json_object(&cli->writer);
		json_name(&cli->writer, "failures");
		json_array(&cli->writer);
	}
	print_failures(cli, list);
	if (cli->json) {
		json_array_end(&cli->writer);
		json_bool_field(&cli->writer, "more", list->more);
		json_object_end(&cli->writer);
	} else if (list->more) {
		buf_add_text(cli->out, "and more\n");
	}
	CORES_FREE(list);
	return 0;
}

int cli_login_unlock(struct cli *cli, struct errinfo *info)
{
	Pk__FailureForgetRequest request = PK__FAILURE_FORGET_REQUEST__INIT;
	Pk__FailureListReply *list;
	request.which = (char *)(uintptr_t)cli->arguments[0];
	int rc = call(cli, METHOD(FAILURE_FORGET), &request.base, &list, info);
	if (rc != 0)
		return rc;
	if (list->forgotten == 0)
		rc = err_set(info, E_NOT_FOUND, "no wrong logins are counted for %s", cli->arguments[0]);
	else if (!cli->json)
		buf_addf(cli->out, "%s: answered at once again\n", cli->arguments[0]);
	else {
		json_object(&cli->writer);
		json_text_field(&cli->writer, "which", cli->arguments[0]);
		json_number_field(&cli->writer, "forgotten", list->forgotten);
		json_object_end(&cli->writer);
	}
	CORES_FREE(list);
	return rc;
}
