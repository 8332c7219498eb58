#include "base/config.h"

#include "base/mem.h"

/*
 * Every option there is. The manual page postkasse.conf(5), the checks of the parser and the
 * defaults come from here; nothing else in the program knows a default.
 */

#define KB             INT64_C(1024)
#define MB             (1024 * KB)
#define GB             (1024 * MB)
#define SECONDS        INT64_C(1000)
#define MINUTES        (60 * SECONDS)
#define HOURS          (60 * MINUTES)
#define DAYS           (24 * HOURS)
#define CONFIG_COUNT   INT64_C(1000000)

#define RELOADS        CONFIG_RELOADS
#define RESTARTS       CONFIG_RESTARTS

#define SECTION_PLACES "Places and names"
#define SECTION_LISTEN "Listening"
#define SECTION_TLS    "TLS"
#define SECTION_LINK   "Links between hosts"
#define SECTION_LOGIN  "Logging in"
#define SECTION_LIMITS "Mailboxes and limits on mail"
#define SECTION_SMTP   "SMTP connections"
#define SECTION_IMAP   "IMAP connections"
#define SECTION_STORE  "The store"
#define SECTION_SERVE  "Processes and logs"

/* Laid out by hand: name, type, what a SIGHUP does, default, min, max, choices, section, sentence. */
/* clang-format off */
static const struct config_option table[] = {
	{"data_dir", CONFIG_PATH, RESTARTS, "/var/lib/postkasse", 0, 0, NULL, SECTION_PLACES,
	 "The folder of the mailboxes, the temporary mailboxes and the directory."},
	{"run_dir", CONFIG_PATH, RESTARTS, "/run/postkasse", 0, 0, NULL, SECTION_PLACES,
	 "The folder of the Unix sockets over which commands reach the service."},
	{"host_key_file", CONFIG_PATH, RESTARTS, "/etc/postkasse/host.key", 0, 0, NULL, SECTION_PLACES,
	 "The key of this host: 32 random bytes that only their owner may read (mode 0400 or 0600). It "
	 "encrypts the directory and the outer layer of temporary mailboxes, and opens no mailbox."},
	{"hostname", CONFIG_TEXT, RELOADS, "", 0, 0, NULL, SECTION_PLACES,
	 "The name that greetings and trace headers show. Empty: the name of the machine."},
	{"roles", CONFIG_LIST, RESTARTS, "directory store imap smtp", 0, 0, NULL, SECTION_PLACES,
	 "The processes that this host runs. A host with only fronts (imap, smtp) needs store_address "
	 "and directory_address."},

	{"smtp_listen", CONFIG_LIST, RESTARTS, "0.0.0.0:25 [::]:25", 0, 0, NULL, SECTION_LISTEN,
	 "Addresses and ports where mail for our domains comes in, with STARTTLS."},
	{"imap_listen", CONFIG_LIST, RESTARTS, "0.0.0.0:143 [::]:143", 0, 0, NULL, SECTION_LISTEN,
	 "Addresses and ports for IMAP that begins in clear and offers STARTTLS."},
	{"imaps_listen", CONFIG_LIST, RESTARTS, "0.0.0.0:993 [::]:993", 0, 0, NULL, SECTION_LISTEN,
	 "Addresses and ports for IMAP inside TLS from the first byte."},

	{"tls_certificate_file", CONFIG_PATH, RELOADS, "/etc/postkasse/tls.pem", 0, 0, NULL, SECTION_TLS,
	 "The certificate chain shown to mail clients and other mail servers, PEM, leaf first. Empty: no "
	 "TLS."},
	{"tls_key_file", CONFIG_PATH, RELOADS, "/etc/postkasse/tls.key", 0, 0, NULL, SECTION_TLS,
	 "The private key that belongs to tls_certificate_file, PEM."},

	{"store_listen", CONFIG_LIST, RESTARTS, "", 0, 0, NULL, SECTION_LINK,
	 "Addresses and ports where the store takes links of fronts on other hosts, over mutual TLS."},
	{"directory_listen", CONFIG_LIST, RESTARTS, "", 0, 0, NULL, SECTION_LINK,
	 "Addresses and ports where the directory takes links of fronts on other hosts, over mutual TLS."},
	{"store_address", CONFIG_TEXT, RESTARTS, "", 0, 0, NULL, SECTION_LINK,
	 "The address and port of a store on another host, for the fronts of this one. Empty: the "
	 "store of this host."},
	{"directory_address", CONFIG_TEXT, RESTARTS, "", 0, 0, NULL, SECTION_LINK,
	 "The address and port of a directory on another host, for the processes of this one. Empty: "
	 "the directory of this host."},
	{"link_tls_certificate_file", CONFIG_PATH, RELOADS, "", 0, 0, NULL, SECTION_LINK,
	 "This host's certificate for links, PEM, signed by an authority of link_tls_ca_file."},
	{"link_tls_key_file", CONFIG_PATH, RELOADS, "", 0, 0, NULL, SECTION_LINK,
	 "The private key that belongs to link_tls_certificate_file, PEM."},
	{"link_tls_ca_file", CONFIG_PATH, RELOADS, "", 0, 0, NULL, SECTION_LINK,
	 "The authority whose certificates may link, PEM: one of your own, never a public one."},
	{"link_allowed_addresses", CONFIG_LIST, RELOADS, "", 0, 0, NULL, SECTION_LINK,
	 "The numeric addresses that may link over TLS. Nobody else gets as far as the handshake."},

	{"auth_without_tls", CONFIG_BOOL, RELOADS, "no", 0, 0, NULL, SECTION_LOGIN,
	 "Whether anybody may log in without TLS, by whatever mechanism: the mail that is read then travels "
	 "in clear too. Loopback is no exception."},
	{"auth_without_tls_from", CONFIG_LIST, RELOADS, "", 0, 0, NULL, SECTION_LOGIN,
	 "Addresses and networks, such as 127.0.0.0/8 ::1 192.0.2.0/24, from where clients may."},
	{"login_failures_max", CONFIG_NUMBER, RELOADS, "3", 1, 100000, NULL, SECTION_LOGIN,
	 "Wrong logins for one mailbox from one network (an IPv4 address, or the first 64 bits of IPv6) "
	 "within login_failures_window that are answered at once, ten times as many for all mailboxes. "
	 "Further ones are answered later and later, from 250 ms to 5 s. A right password never waits."},
	{"login_failures_window", CONFIG_DURATION, RELOADS, "1h", 1 * SECONDS, 30 * DAYS, NULL, SECTION_LOGIN,
	 "How long a failed login counts."},
	{"connections_per_mailbox", CONFIG_NUMBER, RELOADS, "60", 1, CONFIG_COUNT, NULL, SECTION_LOGIN,
	 "Sessions that one mailbox may have at a time."},

	{"message_size_max", CONFIG_SIZE, RELOADS, "50M", 64 * KB, 1 * GB, NULL, SECTION_LIMITS,
	 "The largest message that SMTP and APPEND take."},
	{"quota", CONFIG_SIZE, RELOADS, "10G", 1 * MB, 1024 * 1024 * GB, NULL, SECTION_LIMITS,
	 "What a new mailbox may hold."},
	{"folder_drafts", CONFIG_TEXT, RELOADS, "Drafts", 0, 0, NULL, SECTION_LIMITS,
	 "The folder for drafts that a new mailbox gets. Empty: none. Clients find it by its use, and those "
	 "that do not look there by this name."},
	{"folder_sent", CONFIG_TEXT, RELOADS, "Sent", 0, 0, NULL, SECTION_LIMITS,
	 "Likewise, for mail that was sent."},
	{"folder_archive", CONFIG_TEXT, RELOADS, "Archive", 0, 0, NULL, SECTION_LIMITS,
	 "Likewise, for mail that is kept."},
	{"folder_junk", CONFIG_TEXT, RELOADS, "Junk", 0, 0, NULL, SECTION_LIMITS,
	 "Likewise, for spam."},
	{"folder_trash", CONFIG_TEXT, RELOADS, "Trash", 0, 0, NULL, SECTION_LIMITS,
	 "Likewise, for mail that was deleted."},
	{"recipients_max", CONFIG_NUMBER, RELOADS, "50", 1, 10000, NULL, SECTION_LIMITS,
	 "Recipients of one message; more are asked to come in a later transaction."},
	{"received_max", CONFIG_NUMBER, RELOADS, "25", 5, 1000, NULL, SECTION_LIMITS,
	 "Received headers in a message before it counts as a loop."},

	{"message_rate_min", CONFIG_SIZE, RELOADS, "1K", 0, 1 * GB, NULL, SECTION_LIMITS,
	 "Bytes a second that a message has to come in with, over SMTP or APPEND, on average of each "
	 "minute; one that is slower ends its connection. 0: however slow."},

	{"smtp_memory_total", CONFIG_SIZE, RELOADS, "256M", 1 * MB, 1024 * GB, NULL, SECTION_SMTP,
	 "Memory of an SMTP process for messages that are coming in. Past it connections wait for their "
	 "turn. An eighth is kept for messages up to 256 KB; one network address (of IPv6 the first 64 "
	 "bits; not loopback) gets a quarter. When others have waited for ten seconds, the message that its "
	 "sender would take longest to send again is thrown out, unless that is less than a minute: 421, to "
	 "come back later."},
	{"smtp_memory_max", CONFIG_SIZE, RESTARTS, "1G", 64 * MB, 1024 * GB, NULL, SECTION_SMTP,
	 "All the memory that one SMTP process gets of the system. One that wants more, since it leaks or is "
	 "no longer ours, ends with its connections and is started again; no other process feels it. Sound "
	 "ones need smtp_memory_total, four times message_size_max and 100 KB for a connection."},
	{"smtp_connections_max", CONFIG_NUMBER, RELOADS, "1000", 1, CONFIG_COUNT, NULL, SECTION_SMTP,
	 "Connections that an SMTP process holds at a time; more are answered 421."},
	{"smtp_timeout", CONFIG_DURATION, RELOADS, "5m", 1 * SECONDS, 1 * HOURS, NULL, SECTION_SMTP,
	 "How long a client may take for a command, from the last answer to the end of its line, or between "
	 "two pieces of a message (RFC 5321 section 4.5.3.2.7)."},
	{"smtp_message_timeout", CONFIG_DURATION, RELOADS, "30m", 1 * SECONDS, 1 * DAYS, NULL, SECTION_SMTP,
	 "How long one message may take to come in, however steadily it does."},
	{"smtp_connections_per_address", CONFIG_NUMBER, RELOADS, "50", 1, CONFIG_COUNT, NULL, SECTION_SMTP,
	 "Connections at a time from one IPv4 address or one /64 of IPv6; more are answered 421. Loopback "
	 "is not counted."},
	{"smtp_errors_max", CONFIG_NUMBER, RELOADS, "20", 1, 100000, NULL, SECTION_SMTP,
	 "Errors in one connection, since its last accepted message, before it is ended."},
	{"smtp_core_wait", CONFIG_DURATION, RELOADS, "10s", 100, 10 * MINUTES, NULL, SECTION_SMTP,
	 "How long a client waits for a directory and a store that are away before it is told to come again "
	 "later (451 4.3.0): once for a whole transaction, from MAIL to the answer for the message. Away is "
	 "also who is connected and gives no sign of life."},
	{"smtp_processes", CONFIG_NUMBER, RESTARTS, "1", 1, 64, NULL, SECTION_SMTP,
	 "SMTP processes."},

	{"imap_memory_total", CONFIG_SIZE, RELOADS, "256M", 1 * MB, 1024 * GB, NULL, SECTION_IMAP,
	 "Memory of an IMAP process for messages that are being appended. Past it clients wait for their "
	 "turn, by the rules of smtp_memory_total; a share is that of a mailbox."},
	{"imap_memory_max", CONFIG_SIZE, RESTARTS, "2G", 64 * MB, 1024 * GB, NULL, SECTION_IMAP,
	 "Likewise, of one IMAP process; on top of what smtp_memory_max says sound ones need 256 MB for the "
	 "list of a very large folder."},
	{"imap_connections_max", CONFIG_NUMBER, RELOADS, "10000", 1, CONFIG_COUNT, NULL, SECTION_IMAP,
	 "Connections that an IMAP process holds at a time; more are answered BYE."},
	{"imap_connections_per_address", CONFIG_NUMBER, RELOADS, "500", 1, CONFIG_COUNT, NULL, SECTION_IMAP,
	 "Connections at a time from one IPv4 address or one /64 of IPv6 to an IMAP process; more are "
	 "answered BYE. Loopback is not counted. A quarter of imap_connections_max is for those that have "
	 "not logged in: past it the oldest of them makes room for the next."},
	{"imap_login_timeout", CONFIG_DURATION, RELOADS, "1m", 1 * SECONDS, 1 * HOURS, NULL, SECTION_IMAP,
	 "How long a client may take to log in."},
	{"imap_idle_timeout", CONFIG_DURATION, RELOADS, "30m", 1 * SECONDS, 1 * DAYS, NULL, SECTION_IMAP,
	 "How long a logged-in client may stay silent, IDLE included (RFC 9051 section 5.4: at least 30 "
	 "minutes)."},
	{"imap_idle_interval", CONFIG_DURATION, RELOADS, "2m", 100, 1 * HOURS, NULL, SECTION_IMAP,
	 "How often a client that waits in IDLE is sent a line, so that no router on the way forgets the "
	 "connection. All clients of a host get theirs at the same time, so that phones wake seldom."},
	{"imap_core_wait", CONFIG_DURATION, RELOADS, "20s", 100, 10 * MINUTES, NULL, SECTION_IMAP,
	 "How long a client waits for a directory and a store that are away before its command, login "
	 "included, is answered NO [UNAVAILABLE]; it stays connected. Away is also who is connected and "
	 "gives no sign of life."},
	{"imap_processes", CONFIG_NUMBER, RESTARTS, "0", 0, 64, NULL, SECTION_IMAP,
	 "IMAP processes. 0: one for each processor."},

	{"store_workers", CONFIG_NUMBER, RESTARTS, "0", 0, 256, NULL, SECTION_STORE,
	 "Threads that work on mailboxes. 0: two for each processor, at least four."},
	{"mailbox_linger", CONFIG_DURATION, RELOADS, "10s", 0, 1 * DAYS, NULL, SECTION_STORE,
	 "How long the keys of a mailbox stay in memory after its last session ended."},
	{"mailbox_handle_idle", CONFIG_DURATION, RELOADS, "60s", 1 * SECONDS, 1 * DAYS, NULL, SECTION_STORE,
	 "How long the file of an open mailbox may lie idle before its handle and page cache are given "
	 "back."},

	{"disk_reserve", CONFIG_SIZE, RELOADS, "64M", 0, INT64_MAX / 4, NULL, SECTION_STORE,
	 "New mail is refused for the time being (SMTP 452, IMAP NO) while less than this is free on the "
	 "volume of data_dir, or less than a sixteenth of it where that is smaller, so that there is room "
	 "for what makes room: logins, flags, EXPUNGE and DELETE. 0: no reserve."},
	{"disk_ballast", CONFIG_SIZE, RELOADS, "16M", 0, INT64_MAX / 4, NULL, SECTION_STORE,
	 "The size of a file that does nothing but occupy room on each volume of mail, a 32nd of a smaller "
	 "volume. When somebody else has filled the volume to the last byte it is given back piece by piece "
	 "for logins, flags, EXPUNGE and DELETE, and made anew once there is room. One of a sixteenth of "
	 "this lies beside directory.sqlite. 0: none."},

	{"uid_base", CONFIG_NUMBER, RESTARTS, "60608", 1000, 2000000000, NULL, SECTION_SERVE,
	 "Started as root, each process runs as a user of its own: this number for the store, the next "
	 "for the directory, and further ones up to 255 more than it for each process of imap and smtp."},
	{"stop_grace", CONFIG_DURATION, RELOADS, "10s", 0, 1 * HOURS, NULL, SECTION_SERVE,
	 "How long processes may take to finish what is under way when the service stops."},
	{"log_level", CONFIG_CHOICE, RELOADS, "info", 0, 0, "debug info warn error", SECTION_SERVE,
	 "Events below this level are not logged."},
};
/* clang-format on */

const struct config_option *config_options(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(table);
	return table;
}
