#include "main/settings.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "main/kinds.h"

static char folder[] = "/tmp/postkasse-settings-XXXXXX";
static char config_file[64], key_file[64];
static char *no_environment[] = {NULL};

static void write_file(const char *path, const void *bytes, size_t len, mode_t mode)
{
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void write_key(size_t len, mode_t mode)
{
	static const char bytes[64] = "a key that is 32 bytes long, see?";
	write_file(key_file, bytes, len, mode);
}

/* A configuration of just a core, so that no certificate is needed, and more. */
static void write_config(const char *more)
{
	char text[2000];
	int len = snprintf(text, sizeof(text), "roles = store directory\nhost_key_file = %s\n%s",
	                   key_file, more);
	write_file(config_file, text, (size_t)len, 0644);
}

static int load(struct settings *settings, struct errinfo *info)
{
	return settings_load(settings, config_file, no_environment, info);
}

static void a_host_key_is_private_and_whole(void **state)
{
	(void)state;
	static const struct {
		size_t len;
		mode_t mode;
		int error;
	} cases[] = {
		{HOST_KEY_SIZE, 0400, 0},
		{HOST_KEY_SIZE, 0600, 0},
		{HOST_KEY_SIZE, 0440, E_DENIED},
		{HOST_KEY_SIZE, 0404, E_DENIED},
		{HOST_KEY_SIZE, 0602, E_DENIED},
		{HOST_KEY_SIZE, 0601, E_DENIED},
		{HOST_KEY_SIZE - 1, 0400, E_INVALID},
		{HOST_KEY_SIZE + 1, 0400, E_INVALID},
		{0, 0400, E_INVALID},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct secret *key;
		struct errinfo info = {0};
		write_key(cases[i].len, cases[i].mode);
		assert_int_equal(settings_read_host_key(&key, key_file, &info), cases[i].error);
		assert_int_equal(key != NULL, cases[i].error == 0);
		if (key != NULL) {
			assert_memory_equal(secret_open(key), "a key that is 32 bytes long, see", 32);
			secret_close(key);
		}
		secret_free(key);
	}
	struct secret *key;
	assert_int_equal(settings_read_host_key(&key, folder, NULL), E_INVALID);
	unlink(key_file);
	assert_int_equal(settings_read_host_key(&key, key_file, NULL), E_NOT_FOUND);
}

static void what_the_machine_decides_is_filled_in(void **state)
{
	(void)state;
	struct settings settings;
	struct errinfo info;
	write_key(HOST_KEY_SIZE, 0400);
	write_config("");
	assert_int_equal(load(&settings, &info), 0);
	assert_true(config_number(settings.config, "imap_processes") >= 1);
	assert_true(config_number(settings.config, "store_workers") >= 4);
	assert_true(config_text(settings.config, "hostname")[0] != '\0');
	assert_non_null(settings.host_key);
	assert_int_equal(settings.tls_certificate.len, 0);
	settings_done(&settings);
	write_config("hostname = mail.example.test\nstore_workers = 3\nimap_processes = 2\n");
	assert_int_equal(load(&settings, &info), 0);
	assert_string_equal(config_text(settings.config, "hostname"), "mail.example.test");
	assert_int_equal(config_number(settings.config, "store_workers"), 3);
	assert_int_equal(config_number(settings.config, "imap_processes"), 2);
	settings_done(&settings);
}

static void note_fixed(void *ctx, const char *option)
{
	buf_addf(ctx, "%s ", option);
}

static int reload(struct settings *settings, struct buf *fixed)
{
	struct errinfo info;
	buf_clear(fixed);
	return settings_reload(settings, config_file, no_environment, note_fixed, fixed, &info);
}

static void a_reload_keeps_what_only_a_restart_changes(void **state)
{
	(void)state;
	struct settings settings;
	struct errinfo info;
	struct buf fixed BUF_AUTO;
	buf_init(&fixed, 1 << 10);
	write_key(HOST_KEY_SIZE, 0400);
	write_config("quota = 3G\n");
	assert_int_equal(load(&settings, &info), 0);
	write_config("quota = 4096M\ndata_dir = /srv\n");
	assert_int_equal(reload(&settings, &fixed), 0);
	assert_true(str_eq(buf_str(&fixed), STR("data_dir ")));
	assert_int_equal(config_number(settings.config, "quota"), INT64_C(4) << 30);
	assert_string_equal(config_text(settings.config, "data_dir"), "/var/lib/postkasse");
	/* The same path, another key: the files are under the first. */
	write_file(key_file, "another key of thirty-two bytes!", HOST_KEY_SIZE, 0400);
	write_config("quota = 4096M\n");
	assert_int_equal(reload(&settings, &fixed), 0);
	assert_true(str_eq(buf_str(&fixed), STR("host_key_file ")));
	assert_memory_equal(secret_open(settings.host_key), "a key that is 32 bytes", 22);
	secret_close(settings.host_key);
	/* The certificates that a listener for links needs are asked for when there is one. */
	write_config("store_listen = 127.0.0.1:7000\n");
	assert_int_equal(reload(&settings, &fixed), 0);
	assert_true(str_eq(buf_str(&fixed), STR("store_listen host_key_file ")));
	/* A failure leaves everything. */
	write_config("quota = 5G\nnonsense\n");
	assert_int_equal(reload(&settings, &fixed), E_INVALID);
	assert_int_equal(config_number(settings.config, "quota"), INT64_C(10) << 30);
	unlink(key_file);
	write_config("quota = 5G\n");
	assert_int_equal(reload(&settings, &fixed), E_NOT_FOUND);
	assert_int_equal(config_number(settings.config, "quota"), INT64_C(10) << 30);
	assert_non_null(settings.host_key);
	settings_done(&settings);
}

static const struct {
	const char *more;
	int error;
	const char *text; /* in the message */
} refused[] = {
	{"nonsense\n", E_INVALID, ":3: expected"},
	{"store_listen = 127.0.0.1:7000\n", E_INVALID, "link_tls_certificate_file: must be set"},
	{"store_listen = here:7000\n", E_INVALID, "store_listen: \"here:7000\""},
	{"imap_listen = 127.0.0.1\n", E_INVALID, "imap_listen: \"127.0.0.1\""},
	{"store_address = 127.0.0.1\n", E_INVALID, "store_address: "},
	{"link_allowed_addresses = 192.0.2.1 2001:db8::/32 front.example.test\n", E_INVALID,
     "link_allowed_addresses: \"front.example.test\""},
	{"link_allowed_addresses = 192.0.2.0/33\n", E_INVALID, "\"192.0.2.0/33\""},
	{"directory_address = x\n", E_INVALID, "directory_address: "},
	{"auth_without_tls_from = 127.0.0.0/8 ::1 localhost\n", E_INVALID,
     "auth_without_tls_from: \"localhost\""},
	{"auth_without_tls_from = 192.0.2.0/24/8\n", E_INVALID,
     "auth_without_tls_from: \"192.0.2.0/24/8\""},
	{"auth_without_tls_from = 2001:db8::/129\n", E_INVALID, "\"2001:db8::/129\""},
};

static void what_does_not_fit_is_named(void **state)
{
	(void)state;
	write_key(HOST_KEY_SIZE, 0400);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct settings settings;
		struct errinfo info = {0};
		write_config(refused[i].more);
		assert_int_equal(load(&settings, &info), refused[i].error);
		assert_non_null(strstr(info.text, refused[i].text));
		assert_null(settings.config);
		assert_null(settings.host_key);
	}
}

static void roles_are_checked(void **state)
{
	(void)state;
	static const struct {
		const char *roles;
		const char *text;
	} cases[] = {
		{"roles =\n", "roles: names no role"},
		{"roles = store, pigeon\n", "roles: there is no role \"pigeon\""},
		{"roles = imap directory\n", "store_address: must be set"},
		{"roles = smtp store\n", "directory_address: must be set"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct settings settings;
		struct errinfo info = {0};
		write_file(config_file, cases[i].roles, strlen(cases[i].roles), 0644);
		assert_int_equal(load(&settings, &info), E_INVALID);
		assert_string_equal(
			str_starts(str_from(info.text), str_from(cases[i].text)) ? "" : info.text, "");
	}
}

static void a_configuration_that_others_may_write_is_refused(void **state)
{
	(void)state;
	struct config *config;
	struct errinfo info;
	write_config("");
	assert_int_equal(chmod(config_file, 0646), 0);
	assert_int_equal(settings_load_config(&config, config_file, no_environment, &info), E_DENIED);
	assert_null(config);
	unlink(config_file);
	assert_int_equal(settings_load_config(&config, config_file, no_environment, &info),
	                 E_NOT_FOUND);
}

static void files_have_a_limit(void **state)
{
	(void)state;
	struct buf text;
	struct errinfo info;
	char *much = mem_new(SETTINGS_FILE_MAX + 1);
	memset(much, 'x', SETTINGS_FILE_MAX + 1);
	write_file(config_file, much, SETTINGS_FILE_MAX + 1, 0600);
	assert_int_equal(settings_read_file(&text, config_file, "it", 0, &info), E_TOO_LARGE);
	assert_int_equal(text.len, 0);
	write_file(config_file, much, SETTINGS_FILE_MAX, 0600);
	assert_int_equal(settings_read_file(&text, config_file, "it", 0, &info), 0);
	assert_int_equal(text.len, SETTINGS_FILE_MAX);
	buf_done(&text);
	free(much);
}

static void the_environment_overrides(void **state)
{
	(void)state;
	struct config *config;
	struct errinfo info;
	char variable[] = "POSTKASSE_QUOTA=7G";
	char *environment[] = {variable, NULL};
	write_config("quota = 6G\n");
	assert_int_equal(settings_load_config(&config, config_file, environment, &info), 0);
	assert_int_equal(config_number(config, "quota"), INT64_C(7) << 30);
	config_free(config);
}

static void kinds_name_options_that_there_are(void **state)
{
	(void)state;
	struct config *config = config_new();
	size_t count;
	const struct kind *kind = kinds(&count);
	for (size_t i = 0; i < count; i++) {
		const struct kind_listen *listen = kind[i].listen;
		size_t position = 0;
		struct str word;
		assert_true(settings_has_role(config, kind[i].name));
		assert_ptr_equal(kind_find(str_from(kind[i].name)), &kind[i]);
		for (; listen->option != NULL; listen++, position = 0)
			config_list_next(config, listen->option, &position, &word);
		if (kind[i].processes != NULL)
			assert_true(config_number(config, kind[i].processes) >= 0);
		assert_int_equal(kind[i].front, kind[i].folders == NULL);
		assert_ptr_equal(kind_numbered(kind_number(&kind[i])), &kind[i]);
		for (size_t k = 0; kind[i].links[k] != NULL; k++) {
			const struct kind *core = kind_find(str_from(kind[i].links[k]));
			assert_non_null(core);
			assert_false(core->front);
			assert_int_equal(kind_link_place(&kind[i], core), k);
		}
	}
	assert_null(kind_find(STR("")));
	assert_null(kind_numbered((uint32_t)count));
	config_free(config);
}

static unsigned most_processes(const struct kind *kind)
{
	return kind->processes == NULL ? 1 : KIND_PROCESSES_MAX;
}

/* Each front process has a user that no other process has, with any number of processes. */
static void no_two_processes_share_a_user(void **state)
{
	(void)state;
	unsigned char taken[16 * KIND_PROCESSES_MAX] = {0};
	size_t count;
	const struct kind *kind = kinds(&count);
	for (size_t i = 0; i < count; i++) {
		for (unsigned k = 0; k < most_processes(&kind[i]); k++) {
			uint32_t user = kind_user(&kind[i], 64200, k) - 64200;
			assert_true(user < sizeof(taken));
			assert_false(taken[user]);
			taken[user] = 1;
		}
	}
	/* What the folders of an older service belong to. */
	assert_int_equal(kind_user(kind_find(STR("store")), 64200, 0), 64200);
	assert_int_equal(kind_user(kind_find(STR("directory")), 64200, 0), 64201);
}

/* ... and that nobody gives to another service: systemd takes 61184 to 65519 for those with DynamicUser=, and
 * calls the numbers before them unused. */
static void the_standard_users_are_nobodys(void **state)
{
	(void)state;
	struct config *config = config_new();
	uint32_t base = (uint32_t)config_number(config, "uid_base");
	size_t count;
	const struct kind *kind = kinds(&count);
	for (size_t i = 0; i < count; i++) {
		assert_true(kind_user(&kind[i], base, 0) >= 60578);
		assert_true(kind_user(&kind[i], base, most_processes(&kind[i]) - 1) <= 61183);
	}
	config_free(config);
}

static int set_up(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(config_file, sizeof(config_file), "%s/conf", folder);
	snprintf(key_file, sizeof(key_file), "%s/key", folder);
	return crypto_init(NULL);
}

static int tear_down(void **state)
{
	(void)state;
	unlink(config_file);
	unlink(key_file);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_key_is_private_and_whole),
		cmocka_unit_test(what_the_machine_decides_is_filled_in),
		cmocka_unit_test(a_reload_keeps_what_only_a_restart_changes),
		cmocka_unit_test(what_does_not_fit_is_named),
		cmocka_unit_test(roles_are_checked),
		cmocka_unit_test(a_configuration_that_others_may_write_is_refused),
		cmocka_unit_test(files_have_a_limit),
		cmocka_unit_test(the_environment_overrides),
		cmocka_unit_test(kinds_name_options_that_there_are),
		cmocka_unit_test(no_two_processes_share_a_user),
		cmocka_unit_test(the_standard_users_are_nobodys),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
