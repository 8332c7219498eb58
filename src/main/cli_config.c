#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "main/cli_internal.h"
#include "main/settings.h"

/* config check, print */

/* What init makes, and serve looks for. */
static int check_data(const struct config *config, struct errinfo *info)
{
	struct stat status;
	const char *path = config_text(config, "data_dir");
	if (!settings_has_role(config, "store") && !settings_has_role(config, "directory"))
		return 0;
	if (stat(path, &status) != 0)
		return err_set(info, err_from_errno(errno), "data_dir: %s: %s; postkasse init makes it",
		               path, strerror(errno));
	return S_ISDIR(status.st_mode) ? 0
	                               : err_set(info, E_INVALID, "data_dir: %s: is no folder", path);
}

int cli_config_check(struct cli *cli, struct errinfo *info)
{
	struct settings settings;
	const char *file = cli->values[CLI_OPTION_CONFIG];
	int rc = settings_load(&settings, file, environ, info);
	if (rc != 0)
		return cli_config_failed(rc, info);
	rc = check_data(settings.config, info);
	settings_done(&settings);
	if (rc != 0)
		return cli_config_failed(rc, info);
	if (!cli->json) {
		buf_addf(cli->out, "%s: fine\n", file == NULL ? SETTINGS_FILE : file);
		return 0;
	}
	json_object(&cli->writer);
	json_text_field(&cli->writer, "file", file == NULL ? SETTINGS_FILE : file);
	json_bool_field(&cli->writer, "ok", true);
	json_object_end(&cli->writer);
	return 0;
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
	for (size_t i = 0; i < count; i++) {
		if (options[i].reload == CONFIG_RESTARTS)
			json_str(&cli->writer, str_from(options[i].name));
	}
	json_array_end(&cli->writer);
	json_object_end(&cli->writer);
	return 0;
}
