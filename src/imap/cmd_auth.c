/* STARTTLS, LOGIN and AUTHENTICATE. The exchange itself is front/sasl.h's. */

#include "imap/command.h"
#include "imap/folder.h"
#include "imap/front.h"
#include "imap/process.h"
#include "net/link_address.h"

enum {
	FAILURES_MAX = 4,        /* on one connection */
	FAILURE_DELAY_MS = 1000, /* after the first; twice as much after each further one */
	ARGUMENT_MAX = 4096,     /* bytes of a name or password */
};

/* ---------------------------------------------------------------- STARTTLS */

static void starttls_start(struct imap_client *client)
{
	struct tls_context *tls = client->front->common.role->tls;
	if (!tls_ready(tls)) {
		imap_finish_error(client, IMAP_FAILED_COMMAND, E_UNSUPPORTED, STR("TLS is not set up"));
		return;
	}
	imap_finish(client, NULL, "Begin TLS now");
	if (client->common.conn != NULL)
		conn_starttls(client->common.conn, tls);
}

const struct imap_command imap_cmd_starttls = {
	.name = "STARTTLS",
	.rfc = "RFC 9051 6.2.1",
	.states = IMAP_NOT_AUTHENTICATED,
	.effects = IMAP_CLEAR_ONLY,
	.capability = "STARTTLS",
	.start = starttls_start,
};

/* ---------------------------------------------------------------- the mailbox behind the login */

static void opened(void *ctx, int error, struct str text)
{
	struct imap_client *client = ctx;
	if (client->common.conn == NULL)
		return;
	const struct log *log = client->front->common.role->log;
	if (error != 0) {
		log_warn(log, "imap.open_failed", F_TEXT("mailbox", session_mailbox(client->session)),
		         F_ERR(error));
		session_free(client->session);
		client->session = NULL;
		imap_finish_error(client, IMAP_FAILED_LOGIN, error, text);
		return;
	}
	log_info(log, "imap.login", F_TEXT("mailbox", session_mailbox(client->session)),
	         F_TEXT("remote", client->common.peer.address), F_INT("tls", client->tls));
	sasl_free(client->sasl);
	client->sasl = NULL;
	imap_logged_in(client);
	struct buf code BUF_AUTO;
	buf_init(&code, 1000);
	imap_capability_write(client, &code);
	imap_finish(client, imap_textf(client, "%.*s", STR_ARG(buf_str(&code))), "Logged in");
}

static void changed(void *ctx)
{
	struct imap_client *client = ctx;
	if (client->folder == NULL || client->common.conn == NULL)
		return;
	client->folder->dirty = true;
	if (client->command != NULL && client->command->changed != NULL)
		client->command->changed(client);
}

static void closed(void *ctx, int error, struct str text)
{
	struct imap_client *client = ctx;
	const struct imap_response *response = imap_response_for(error, IMAP_FAILED_COMMAND);
	(void)text;
	if (error == E_DENIED)
		imap_bye(client, "EXPIRED", "This login was revoked");
	else if (error == E_CANCELLED)
		imap_bye(client, NULL, "This session was ended by the administrator");
	else
		imap_bye(client, response->code, "The mailbox is not available any more");
}

static const struct session_handlers session_handlers = {
	.opened = opened,
	.changed = changed,
	.closed = closed,
};

/* ---------------------------------------------------------------- LOGIN, AUTHENTICATE */

static void refuse_login(struct imap_client *client)
{
	imap_finish_error(client, IMAP_FAILED_LOGIN, client->login_error, STR(""));
	if (client->failures >= FAILURES_MAX)
		imap_bye(client, NULL, "Too many failed logins");
}

static void failed(struct imap_client *client, int error, struct str text)
{
	bool guess = error == E_DENIED || error == E_LIMIT;
	/* "network" is what the delays of wrong logins go by, see directory.login_refused. */
	log_info(client->front->common.role->log, "imap.login_failed",
	         F_TEXT("mailbox", sasl_tried_mailbox(client->sasl)),
	         F_TEXT("remote", client->common.peer.address),
	         F_TEXT("network", client->common.peer.network), F_ERR(error));
	if (!guess) {
		imap_finish_error(client, IMAP_FAILED_LOGIN, error, text);
		return;
	}
	client->login_error = error;
	client->failures++;
	imap_delay(client, (int64_t)FAILURE_DELAY_MS << (client->failures - 1));
}

static void sasl_challenge(void *ctx, struct str text)
{
	struct imap_client *client = ctx;
	if (client->common.conn == NULL)
		return;
	imap_continue(client, text);
	imap_want_line(client);
}

static void sasl_done(void *ctx, int error, struct str text, const Pk__LoginReply *login)
{
	struct imap_client *client = ctx;
	if (client->common.conn == NULL)
		return;
	if (error != 0) {
		failed(client, error, text);
		return;
	}
	struct errinfo info = {0};
	error = session_open(&client->session, client->front->hub, login, "imap",
	                     client->common.peer.address, &client->patience, &session_handlers, client,
	                     &info);
	if (error != 0)
		imap_finish_error(client, IMAP_FAILED_LOGIN, error, str_from(info.text));
}

bool imap_may_login(const struct imap_client *client)
{
	size_t position = 0;
	struct str entry;
	if (client->tls || client->front->auth_without_tls)
		return true;
	while (config_list_next(client->front->common.role->config, "auth_without_tls_from", &position,
	                        &entry))
		if (link_address_in(client->common.peer.address, entry))
			return true;
	return false;
}

/* The command is then answered. */
static bool refused_in_clear(struct imap_client *client)
{
	if (imap_may_login(client))
		return false;
	imap_finish_with(client, IMAP_NO, "PRIVACYREQUIRED", "Logging in needs TLS: STARTTLS first");
	return true;
}

static struct sasl *sasl_of(struct imap_client *client)
{
	struct session_hub *hub = client->front->hub;
	if (client->sasl == NULL) {
		client->sasl = sasl_new(
			&(struct sasl_options){
				.directory = session_hub_directory(hub),
				.vault = session_hub_vault(hub),
				.patience = &client->patience,
				.service = "imap",
				.remote = client->common.peer.address,
				.ssl = conn_ssl(client->common.conn),
				.offered = sasl_offer(client->tls, true),
			},
			&(struct sasl_handlers){client, sasl_challenge, sasl_done});
	}
	return client->sasl;
}

/* The directory and the store together have as long for a login as either has for a request. */
static void start_clock(struct imap_client *client)
{
	client->patience.until_ms = front_now_ms(client->common.front) + LINK_DEADLINE_MS;
}

static void auth_cancel(struct imap_client *client)
{
	if (client->sasl != NULL && sasl_busy(client->sasl))
		sasl_abort(client->sasl);
}

struct login {
	struct str address;
	struct str password;
};

/* login = "LOGIN" SP userid SP password */
static bool login_parse(struct imap_parse *in, struct imap_client *client)
{
	struct login *args = imap_args(in, client, sizeof(*args));
	if (args == NULL || !imap_space(in) || !imap_astring(in, &args->address) || !imap_space(in) ||
	    !imap_astring(in, &args->password))
		return false;
	return (args->address.len <= ARGUMENT_MAX && args->password.len <= ARGUMENT_MAX) ||
	       imap_parse_fail(in, "Argument too long");
}

static void login_start(struct imap_client *client)
{
	struct login *args = client->args;
	start_clock(client);
	if (!refused_in_clear(client))
		sasl_password(sasl_of(client), args->address, args->password);
	if (client->args != NULL) /* else the command and its arena are gone */
		wipe((char *)args->password.ptr, args->password.len);
}

const struct imap_command imap_cmd_login = {
	.name = "LOGIN",
	.rfc = "RFC 9051 6.2.3",
	.states = IMAP_NOT_AUTHENTICATED,
	.parse = login_parse,
	.start = login_start,
	.delayed = refuse_login,
	.cancel = auth_cancel,
};

struct authenticate {
	struct str mechanism;
	struct str initial;
};

/* authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp] */
static bool authenticate_parse(struct imap_parse *in, struct imap_client *client)
{
	struct authenticate *args = imap_args(in, client, sizeof(*args));
	if (args == NULL || !imap_space(in) || !imap_atom(in, &args->mechanism))
		return imap_parse_fail(in, "Expected a mechanism");
	return !imap_space(in) || imap_atom(in, &args->initial);
}

static void authenticate_start(struct imap_client *client)
{
	struct authenticate *args = client->args;
	if (refused_in_clear(client))
		return;
	start_clock(client);
	sasl_start(sasl_of(client), args->mechanism, args->initial);
	if (client->args != NULL && args->initial.len > 0) /* likewise */
		wipe((char *)args->initial.ptr, args->initial.len);
}

static void authenticate_line(struct imap_client *client, struct str line)
{
	sasl_response(client->sasl, line);
}

const struct imap_command imap_cmd_authenticate = {
	.name = "AUTHENTICATE",
	.rfc = "RFC 9051 6.2.2",
	.states = IMAP_NOT_AUTHENTICATED,
	.parse = authenticate_parse,
	.start = authenticate_start,
	.line = authenticate_line,
	.delayed = refuse_login,
	.cancel = auth_cancel,
};
