#include "base/mem.h"
#include "main/cli_internal.h"

/*
 * Everything that can be typed. The parser, the help, the completion and the manual page come from
 * these two tables.
 */

/* clang-format off */
const struct cli_option_info cli_options[CLI_OPTION_COUNT] = {
	[CLI_OPTION_CONFIG] = {"--config", "FILE",
		"The configuration file; /etc/postkasse/postkasse.conf unless given."},
	[CLI_OPTION_JSON] = {"--json", NULL,
		"Write the result, or the error, as one JSON object."},
	[CLI_OPTION_HELP] = {"--help", NULL,
		"Say what the command does."},
	[CLI_OPTION_CURRENT_FILE] = {"--current-file", "FILE",
		"Read a password that opens the mailbox now from the first line of FILE, - for standard "
		"input, instead of asking for it."},
	[CLI_OPTION_PASSWORD] = {"--password", NULL,
		"Also make its mailbox and mailbox password, and show the password once."},
	[CLI_OPTION_QUOTA] = {"--quota", "SIZE",
		"What the mailbox may hold, such as 500M or 20G; the configured quota unless given."},
	[CLI_OPTION_LABEL] = {"--label", "TEXT",
		"A name for the password, such as that of the device."},
	[CLI_OPTION_SCOPE] = {"--scope", "LIST",
		"What the password is for: imap, pop3, smtp, dav, separated by commas; all unless given."},
	[CLI_OPTION_YES] = {"--yes", NULL,
		"Do not ask. Without it only the answer \"yes\" goes on; the end of input is no answer."},
	[CLI_OPTION_QUICK] = {"--quick", NULL,
		"Check the structure only, not the content of every message."},
	[CLI_OPTION_DOMAIN] = {"--domain", "DOMAIN",
		"Also add this domain."},
	[CLI_OPTION_ALIAS] = {"--alias", "ADDRESS",
		"Also add this alias with its domain and mailbox, and show its password once."},
	[CLI_OPTION_HOSTNAME] = {"--hostname", "NAME",
		"The name of this host for a new configuration and certificate."},
	[CLI_OPTION_READY_FD] = {"--ready-fd", "NUMBER",
		"Write the line \"ready\" to this descriptor once everything serves."},
	[CLI_OPTION_VERSION] = {"--version", NULL,
		"Instead of a command: print the version."},
	[CLI_OPTION_ORPHANS] = {"--orphans", NULL,
		"Only mailbox files that belong to no alias."},
	[CLI_OPTION_ROLE] = {"--role", "LIST",
		"The roles that the host may have on links, such as imap,smtp, separated by commas."},
	[CLI_OPTION_NEXT] = {"--next", NULL,
		"Make a new authority that signs from now on, beside the old one, which is still believed."},
	[CLI_OPTION_RETIRE] = {"--retire", NULL,
		"Believe only the newest authority from now on."},
};

#define CURRENT (CLI_BIT(JSON) | CLI_BIT(CURRENT_FILE))

const struct cli_command cli_commands[] = {
	{"init", "", 0, 0, CLI_BIT(JSON) | CLI_BIT(DOMAIN) | CLI_BIT(ALIAS) | CLI_BIT(HOSTNAME),
	 "Make what is missing to start: configuration, folders, host key, certificate, directory; and "
	 "say what is left to do.",
	 cli_init},
	{"serve", "", 0, 0, CLI_BIT(READY_FD),
	 "Run the service in the foreground until SIGTERM; SIGHUP reads the configuration again. Logs go to "
	 "standard error.", cli_serve},
	{"domain add", "DOMAIN", 1, 1, CLI_BIT(JSON),
	 "Take mail for a domain.", cli_domain_add},
	{"domain list", "", 0, 0, CLI_BIT(JSON),
	 "List the domains.", cli_domain_list},
	{"domain remove", "DOMAIN", 1, 1, CLI_BIT(JSON),
	 "Take no more mail for a domain that has no aliases.", cli_domain_remove},
	{"alias add", "ADDRESS", 1, 1, CLI_BIT(JSON) | CLI_BIT(PASSWORD) | CLI_BIT(QUOTA),
	 "Add an address to a domain. It takes mail once it has its first password.", cli_alias_add},
	{"alias list", "[DOMAIN]", 0, 1, CLI_BIT(JSON),
	 "List the aliases.", cli_alias_list},
	{"alias remove", "ADDRESS", 1, 1, CLI_BIT(JSON) | CLI_BIT(YES),
	 "Remove an alias, its passwords and its mailbox with all mail in it.", cli_alias_remove},
	{"alias disable", "ADDRESS", 1, 1, CLI_BIT(JSON),
	 "Take no more mail for an alias, and let nobody log in; sessions end. All mail stays.",
	 cli_alias_disable},
	{"alias enable", "ADDRESS", 1, 1, CLI_BIT(JSON),
	 "Let a disabled alias take mail and log in again.", cli_alias_enable},
	{"password new", "ADDRESS", 1, 1, CURRENT,
	 "Make the mailbox password, or replace it: the old one stops working and the mailbox file is "
	 "encrypted again.", cli_password_new},
	{"password app", "ADDRESS", 1, 1, CURRENT | CLI_BIT(LABEL) | CLI_BIT(SCOPE),
	 "Make a further password, for one device or program.", cli_password_app},
	{"password recovery", "ADDRESS", 1, 1, CURRENT,
	 "Make a recovery code: it logs in nowhere, but can take the place of a lost password.",
	 cli_password_recovery},
	{"password list", "ADDRESS", 1, 1, CLI_BIT(JSON),
	 "List the passwords of an alias, without the passwords themselves.", cli_password_list},
	{"password revoke", "ADDRESS NUMBER", 2, 2, CLI_BIT(JSON),
	 "Make an app password or recovery code useless.", cli_password_revoke},
	{"status", "", 0, 0, CLI_BIT(JSON),
	 "Say how the service is. The exit status is 0 when it is well, 1 when something is wrong, 69 when "
	 "it does not run.", cli_status},
	{"session list", "[ADDRESS]", 0, 1, CLI_BIT(JSON),
	 "List who has a mailbox open, from where and since when.", cli_session_list},
	{"session end", "NUMBER|ADDRESS", 1, 1, CLI_BIT(JSON),
	 "End a session of that number, or all sessions of a mailbox. Its client may log in again.",
	 cli_session_end},
	{"login list", "", 0, 0, CLI_BIT(JSON),
	 "List where wrong logins came from, so many that answers to further ones are held back.",
	 cli_login_list},
	{"login unlock", "ADDRESS|NETWORK", 1, 1, CLI_BIT(JSON),
	 "Forget the wrong logins for an address, or from a network as login list writes it.",
	 cli_login_unlock},
	{"mailbox list", "", 0, 0, CLI_BIT(JSON) | CLI_BIT(ORPHANS),
	 "List the mailbox files with their sizes, and the alias that each belongs to.", cli_mailbox_list},
	{"mailbox verify", "ADDRESS", 1, 1, CURRENT | CLI_BIT(QUICK),
	 "Read everything in a mailbox and compare it with its digests.", cli_mailbox_verify},
	{"mailbox copy", "ADDRESS FILE", 2, 2, CLI_BIT(JSON),
	 "Copy a mailbox file, in use or not. The mailbox password opens the copy in any program that is "
	 "built with SQLite3MultipleCiphers.", cli_mailbox_copy},
	{"mailbox accept", "ADDRESS", 1, 1, CURRENT | CLI_BIT(YES),
	 "Serve a mailbox that is refused because its file came back with less than it had (an old copy, a lost "
	 "WAL): all folders get a new UIDVALIDITY at the next login, and the owner a message.", cli_mailbox_accept},
	{"mailbox attach", "ADDRESS MAILBOX|FILE", 2, 2, CURRENT | CLI_BIT(QUOTA),
	 "Make a mailbox file that belongs to no alias the mailbox of this one, which is added if need be: "
	 "one in place, as mailbox list --orphans names it, or a copy of FILE. Its mailbox password opens "
	 "it; app passwords and recovery codes of before are gone.", cli_mailbox_attach},
	{"link authority", "FOLDER", 1, 1, CLI_BIT(JSON) | CLI_BIT(NEXT) | CLI_BIT(RETIRE),
	 "Make an authority for the certificates of links between hosts: ca.pem, which every host gets, and "
	 "ca.key, which none gets.", cli_link_authority},
	{"link certificate", "FOLDER HOST ADDRESS [ADDRESS]", 3, 4, CLI_BIT(JSON) | CLI_BIT(ROLE),
	 "Make HOST.pem and HOST.key with the authority in FOLDER, or replace them by newer ones: for a host "
	 "of that name that has these addresses and roles.", cli_link_certificate},
	{"config check", "", 0, 0, CLI_BIT(JSON),
	 "Check the configuration, the files that it names, and that the directory opens with the host key and "
	 "is sound.", cli_config_check},
	{"config print", "", 0, 0, CLI_BIT(JSON),
	 "Print every option with the value in force.", cli_config_print},
	{"completion bash", "", 0, 0, 0,
	 "Print the completion script of bash.", cli_completion},
	{"help", "[COMMAND...]", 0, 2, 0,
	 "Say what a command does, or list the commands.", cli_help},
	{"version", "", 0, 0, CLI_BIT(JSON) | CLI_BIT(VERSION),
	 "Print the version.", cli_version},
};
/* clang-format on */

const size_t cli_command_count = ARRAY_LEN(cli_commands);
