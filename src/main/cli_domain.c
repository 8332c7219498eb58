#include "main/cli_cores.h"

#include "directory.pb-c.h"

/* domain add, list, remove */

#define METHOD(name) PK__DIRECTORY_METHOD__DIRECTORY_##name

static void json_domain(struct json *json, const Pk__DomainReply *domain)
{
	json_object(json);
	json_text_field(json, "name", domain->name);
	json_text_field(json, "created", domain->created);
	json_number_field(json, "aliases", domain->aliases);
	json_object_end(json);
}

static int call(struct cli *cli, uint32_t method, const char *done, struct errinfo *info)
{
	Pk__DomainRequest request = PK__DOMAIN_REQUEST__INIT;
	ProtobufCMessage *message;
	request.name = (char *)(uintptr_t)cli->arguments[0];
	int rc = cores_directory(cli, method, &request.base, &pk__domain_reply__descriptor, &message,
	                         info);
	if (rc != 0)
		return rc;
	Pk__DomainReply *reply = (Pk__DomainReply *)message;
	if (cli->json)
		json_domain(&cli->writer, reply);
	else
		buf_addf(cli->out, "%s: %s\n", reply->name, done);
	CORES_FREE(reply);
	return 0;
}

int cli_domain_add(struct cli *cli, struct errinfo *info)
{
	return call(cli, METHOD(DOMAIN_ADD), "added", info);
}

int cli_domain_remove(struct cli *cli, struct errinfo *info)
{
	return call(cli, METHOD(DOMAIN_REMOVE), "removed", info);
}

static const char *print_page(struct cli *cli, const ProtobufCMessage *message, void *ctx)
{
	(void)ctx;
	const Pk__DomainListReply *page = (const Pk__DomainListReply *)message;
	for (size_t i = 0; i < page->n_domains; i++) {
		if (cli->json)
			json_domain(&cli->writer, page->domains[i]);
		else
			buf_addf(cli->out, "%-40s %8u %s %.10s\n", page->domains[i]->name,
			         page->domains[i]->aliases,
			         page->domains[i]->aliases == 1 ? "alias,  " : "aliases,",
			         page->domains[i]->created);
	}
	return page->more && page->n_domains > 0 ? page->domains[page->n_domains - 1]->name : NULL;
}

int cli_domain_list(struct cli *cli, struct errinfo *info)
{
	static const struct cli_list list = {
		.name = "domains",
		.method = METHOD(DOMAIN_LIST),
		.type = &pk__domain_list_reply__descriptor,
		.print = print_page,
	};
	return cli_list_pages(cli, &list, info);
}
