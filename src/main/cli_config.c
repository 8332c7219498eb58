#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "directory/directory.h"
#include "main/cli_internal.h"
#include "main/expiry.h"
#include "main/installation.h"
#include "main/settings.h"

/* config check, print */

static void print_expiry(struct cli *cli, const struct expiry *expiry)
{
	if (cli->json) {
		json_object(&cli->writer);
		json_text_field(&cli->writer, "option", expiry->option);
		json_text_field(&cli->writer, "file", expiry->path);
		json_name(&cli->writer, "days");
		json_signed(&cli->writer, expiry->days);
		json_object_end(&cli->writer);
	}
	struct buf sentence BUF_AUTO;
	buf_init(&sentence, 8192);
	expiry_sentence(expiry, &sentence);
	if (expiry->soon)
		cli_warn(cli, "%.*s", STR_ARG(buf_str(&sentence)));
}

static void print_checked(struct cli *cli, const struct settings *settings, const char *file)
{
	struct expiry list[EXPIRY_MAX];
	size_t count = expiry_list(settings, clock_realtime_us() / 1000000, list);
	if (cli->json) {
		json_object(&cli->writer);
		json_text_field(&cli->writer, "file", file);
		json_bool_field(&cli->writer, "ok", true);
		json_name(&cli->writer, "certificates");
		json_array(&cli->writer);
	}
	for (size_t i = 0; i < count; i++)
		print_expiry(cli, &list[i]);
	if (cli->json) {
		json_array_end(&cli->writer);
		json_object_end(&cli->writer);
	} else {
		buf_addf(cli->out, "%s: fine\n", file);
	}
}

/* The files of the installation, as far as they are of this host. */
static int check_files(struct cli *cli, const struct settings *settings, struct errinfo *info)
{
	bool recorded;
	int rc = installation_check(settings->config, settings->host_key, &recorded, info);
	if (rc == 0 && settings_has_role(settings->config, "directory"))
		rc = directory_inspect(config_text(settings->config, "data_dir"), settings->host_key, info);
	if (rc == 0 && !recorded)
		cli_warn(cli,
		         "data_dir: there is no record of this installation yet: the next start makes it");
	return rc;
}

int cli_config_check(struct cli *cli, struct errinfo *info)
{
	struct settings settings;
	const char *file = cli->values[CLI_OPTION_CONFIG];
	int rc = settings_load(&settings, file, environ, info);
	if (rc == 0 && settings.host_key != NULL)
		rc = check_files(cli, &settings, info);
	if (rc == 0)
		print_checked(cli, &settings, file == NULL ? SETTINGS_FILE : file);
	settings_done(&settings);
	return rc != 0 ? cli_config_failed(rc, info) : 0;
}

static void json_list(struct json *json, const struct config *config, const char *name)
{
	size_t position = 0;
	struct str word;
	json_array(json);
	while (config_list_next(config, name, &position, &word))
		json_str(json, word);
	json_array_end(json);
}

/* Sizes in bytes, durations in milliseconds: no script should have to read units. */
static void json_option(struct json *json, const struct config *config,
                        const struct config_option *option)
{
	json_name(json, option->name);
	switch (option->type) {
	case CONFIG_BOOL:
		json_bool(json, config_bool(config, option->name));
		return;
	case CONFIG_NUMBER:
	case CONFIG_SIZE:
	case CONFIG_DURATION:
		json_signed(json, config_number(config, option->name));
		return;
	case CONFIG_TEXT:
	case CONFIG_PATH:
	case CONFIG_CHOICE:
		json_str(json, str_from(config_text(config, option->name)));
		return;
	case CONFIG_LIST:
		json_list(json, config, option->name);
		return;
	}
}

int cli_config_print(struct cli *cli, struct errinfo *info)
{
	size_t count;
	const struct config_option *options = config_options(&count);
	int rc = cli_load_config(cli, info);
	if (rc != 0)
		return rc;
	if (!cli->json) {
		config_print(cli->config, cli->out);
		return 0;
	}
	json_object(&cli->writer);
	json_name(&cli->writer, "options");
	json_object(&cli->writer);
	for (size_t i = 0; i < count; i++)
		json_option(&cli->writer, cli->config, &options[i]);
	json_object_end(&cli->writer);
	json_name(&cli->writer, "needs_restart");
	json_array(&cli->writer);
	for (size_t i = 0; i < count; i++)
		if (options[i].reload == CONFIG_RESTARTS)
			json_str(&cli->writer, str_from(options[i].name));
	json_array_end(&cli->writer);
	json_object_end(&cli->writer);
	return 0;
}
