#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "crypto/digest.h"
#include "store/aside.h"
#include "store/message.h"
#include "store/request.h"
#include "store/schema.h"
#include "store/server.h"

/* VERIFY: structure, counters, and with deep every message against its digest. */

enum { FINDINGS_MAX = 1000 };

struct verify {
	bool begun;
	int64_t last; /* id of the message looked at last */
	uint64_t messages, damaged;
	char **findings; /* owned */
	size_t count;
};

static void verify_free(void *state)
{
	struct verify *verify = state;
	for (size_t i = 0; i < verify->count; i++)
		free(verify->findings[i]);
	free(verify->findings);
	free(verify);
}

static void add_finding(struct verify *verify, struct str text)
{
	if (verify->count == FINDINGS_MAX)
		return;
	verify->findings = mem_grow(verify->findings, verify->count + 1, sizeof(char *));
	verify->findings[verify->count++] = str_dup(text);
}

static bool next_line(struct str *lines, struct str *ret)
{
	if (lines->len == 0)
		return false;
	ptrdiff_t end = str_find_byte(*lines, '\n');
	*ret = end < 0 ? *lines : str_slice(*lines, 0, (size_t)end);
	*lines = str_from_byte(*lines, ret->len + 1);
	return true;
}

static void add_lines(struct verify *verify, struct str lines)
{
	struct str line;
	while (next_line(&lines, &line))
		if (line.len > 0)
			add_finding(verify, line);
}

/* ---------------------------------------------------------------- structure and counters */

/* Each gives the number of rows that are wrong. */
static const struct {
	const char *sql, *finding;
} counts[] = {
	{"SELECT count(*) FROM folder f WHERE messages <> (SELECT count(*) FROM entry WHERE folder = "
     "f.id)",
     "folders whose number of messages is wrong"},
	{"SELECT count(*) FROM folder f WHERE unseen <>"
     " (SELECT count(*) FROM entry WHERE folder = f.id AND (flags & 1) = 0)",
     "folders whose number of unseen messages is wrong"},
	{"SELECT count(*) FROM folder f WHERE deleted <>"
     " (SELECT count(*) FROM entry WHERE folder = f.id AND (flags & 8) <> 0)",
     "folders whose number of deleted messages is wrong"},
	{"SELECT count(*) FROM folder f WHERE size <>"
     " (SELECT coalesce(sum(size), 0) FROM entry WHERE folder = f.id)",
     "folders whose size is wrong"},
	{"SELECT count(*) FROM folder f WHERE uid_next <="
     " (SELECT coalesce(max(uid), 0) FROM entry WHERE folder = f.id)",
     "folders with UIDs beyond the next one"},
	{"SELECT count(*) FROM folder f WHERE modseq <"
     " (SELECT coalesce(max(modseq), 0) FROM entry WHERE folder = f.id)",
     "folders with entries of a later modseq"},
	{"SELECT count(*) FROM message m WHERE NOT EXISTS (SELECT 1 FROM entry WHERE message = m.id)"
     " AND NOT EXISTS (SELECT 1 FROM garbage WHERE message = m.id)",
     "messages in no folder"},
	{"SELECT count(*) FROM attachment a WHERE NOT EXISTS (SELECT 1 FROM cut WHERE attachment = "
     "a.id)",
     "attachments of no message"},
	{"SELECT count(*) FROM message m WHERE NOT EXISTS (SELECT 1 FROM search_text WHERE message = "
     "m.id)",
     "messages without search text"},
	{"SELECT (SELECT coalesce(max(id), 0) FROM message) >= id_next"
     " OR (SELECT coalesce(max(id), 0) FROM attachment) >= id_next FROM meta",
     "counters that messages or attachments have overtaken"},
};

static int check_counts(struct mailbox *mailbox, struct verify *verify, struct errinfo *info)
{
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		struct db_stmt *q = db_query(mailbox->db, counts[i].sql);
		int rc = db_step(q, info);
		if (rc < 0)
			return rc;
		int64_t wrong = rc == DB_ROW ? db_int(q, 0) : 0;
		db_reset(q);
		if (wrong == 0)
			continue;
		struct buf text BUF_AUTO;
		buf_init(&text, 200);
		buf_addf(&text, "%lld %s", (long long)wrong, counts[i].finding);
		add_finding(verify, buf_str(&text));
	}
	return 0;
}

/* ---------------------------------------------------------------- what waits */

static void add_waiting(struct verify *verify, struct str text)
{
	struct buf line BUF_AUTO;
	buf_init(&line, 2000);
	buf_add_text(&line, "temporary mailbox: ");
	buf_add_str(&line, text);
	add_finding(verify, buf_str(&line));
}

static void check_aside(struct request *request, struct verify *verify)
{
	for (unsigned number = 1; number <= ASIDE_MAX; number++) {
		for (enum aside which = ASIDE_DAMAGED; which <= ASIDE_SALVAGED; which++) {
			bool there;
			if (aside_there(request->mailbox, which, number, &there, &request->info) != 0) {
				add_waiting(verify, str_from(request->info.text));
				return;
			}
			struct buf text BUF_AUTO;
			buf_init(&text, 1000);
			aside_name(request->mailbox, which, number, &text);
			buf_add_text(&text, which == ASIDE_DAMAGED
			                        ? " is damaged; what can be read comes at the next login"
			                        : " was damaged and is kept; what could be read is here");
			if (there)
				add_waiting(verify, buf_str(&text));
		}
	}
}

/* What was acknowledged is there, or has been taken over. */
static int check_missing(struct mailbox *mailbox, struct verify *verify, uint64_t file,
                         uint64_t rows, struct errinfo *info)
{
	uint64_t here = 0, elsewhere = 0;
	int rc = waits_missing(mailbox, file, rows, &here, info);
	if (rc == 0)
		rc = waits_missing_but(mailbox, file, &elsewhere, info);
	uint64_t missing = here + elsewhere;
	if (rc != 0 || missing == 0)
		return rc;
	struct buf text BUF_AUTO;
	buf_init(&text, 200);
	buf_addf(&text, "%llu messages that were acknowledged are missing",
	         (unsigned long long)missing);
	add_waiting(verify, buf_str(&text));
	return 0;
}

/* Mail that waits is looked at like mail that has arrived. */
static void check_waiting(struct request *request, struct verify *verify)
{
	struct mailbox *mailbox = request->mailbox;
	struct buf findings BUF_AUTO;
	buf_init(&findings, 1024 * 1024);
	uint64_t file = 0, rows = 0;
	check_aside(request, verify);
	int rc = mailbox_temporary_open(mailbox, false, &request->info);
	bool there = rc != E_NOT_FOUND;
	if (rc == 0)
		rc = db_integrity_check(mailbox->temporary, &findings, &request->info);
	if (rc == 0)
		rc = waits_read(mailbox->temporary, &file, &rows, &request->info);
	if (rc == 0 || !there)
		rc = check_missing(mailbox, verify, file, rows, &request->info);
	struct str lines = buf_str(&findings), line;
	while (next_line(&lines, &line))
		add_waiting(verify, line);
	if (rc != 0 && findings.len == 0)
		add_waiting(verify, str_from(request->info.text));
}

static int begin(struct request *request, struct verify *verify)
{
	const Pk__VerifyRequest *message = (const Pk__VerifyRequest *)request->message;
	struct mailbox *mailbox = request->mailbox;
	struct buf record BUF_AUTO, findings BUF_AUTO;
	buf_init(&record, KEY_RECORD_MAX);
	buf_init(&findings, 1024 * 1024);
	int rc = request_unlock(request, STR_OF_BYTES(message->mailbox_secret),
	                        STR_OF_BYTES(message->key_record), &record);
	if (rc != 0)
		return rc;
	verify->begun = true;
	rc = schema_mailbox_check(mailbox->db, &request->info);
	if (rc != 0)
		add_finding(verify, str_from(request->info.text));
	rc = db_integrity_check(mailbox->db, &findings, &request->info);
	add_lines(verify, buf_str(&findings));
	if (rc != 0 && findings.len == 0)
		add_finding(verify, str_from(request->info.text));
	rc = check_counts(mailbox, verify, &request->info);
	if (rc != 0)
		add_finding(verify, str_from(request->info.text));
	check_waiting(request, verify);
	return 0;
}

/* ---------------------------------------------------------------- messages */

static int check_message(struct request *request, int64_t id, struct str digest)
{
	struct message_reader reader MESSAGE_READER_AUTO = {0};
	int rc = message_reader_init(&reader, request->mailbox, request->packer, id, &request->info);
	if (rc != 0)
		return rc;
	if (reader.size > STORE_MESSAGE_MAX)
		return err_set(&request->info, E_CORRUPT, "a message larger than any can be");
	struct buf raw BUF_AUTO;
	buf_init(&raw, (size_t)reader.size + 1);
	rc = message_read(&reader, 0, reader.size, &raw, &request->info);
	if (rc != 0)
		return rc;
	unsigned char found[SHA256_SIZE];
	sha256(buf_str(&raw), found);
	if (digest.len != SHA256_SIZE || memcmp(found, digest.ptr, SHA256_SIZE) != 0)
		return err_set(&request->info, E_CORRUPT, "its bytes are not those that came");
	return 0;
}

/* The id behind the last one; where the messages themselves cannot be walked, one that an entry names.
 * *ret_end: there is none. */
static int next_message(struct db *db, int64_t last, int64_t *ret, bool *ret_end,
                        struct errinfo *info)
{
	struct db_stmt *q = db_query(db, "SELECT min(id) FROM message WHERE id>?1");
	db_bind_int(q, 1, last);
	int rc = db_step(q, info);
	if (db_is_damage(rc)) {
		q = db_query(db, "SELECT min(message) FROM entry INDEXED BY entry_message"
		                 " WHERE message>?1");
		db_bind_int(q, 1, last);
		rc = db_step(q, info);
	}
	if (rc < 0)
		return rc;
	*ret_end = rc == 0 || db_is_null(q, 0);
	*ret = *ret_end ? last : db_int(q, 0);
	db_reset(q);
	return 0;
}

static int check_row(struct request *request, int64_t id, bool deep)
{
	struct db_stmt *q = db_query(request->mailbox->db, "SELECT digest FROM message WHERE id=?1");
	db_bind_int(q, 1, id);
	int rc = db_step(q, &request->info);
	if (rc == 0)
		return err_set(&request->info, E_CORRUPT, "it is missing");
	if (rc == DB_ROW)
		rc = deep ? check_message(request, id, db_blob(q, 0)) : 0;
	db_reset(q);
	return rc;
}

static int check_next(struct request *request, struct verify *verify, bool deep, bool *ret_end)
{
	int rc = next_message(request->mailbox->db, verify->last, &verify->last, ret_end,
	                      &request->info);
	if (rc != 0 || *ret_end)
		return rc;
	verify->messages++;
	rc = check_row(request, verify->last, deep);
	if (rc == 0)
		return 0;
	verify->damaged++;
	struct buf text BUF_AUTO;
	buf_init(&text, 300);
	buf_addf(&text, "message %lld: %s", (long long)verify->last, request->info.text);
	add_finding(verify, buf_str(&text));
	return 0;
}

static int reply_verified(struct request *request, struct verify *verify)
{
	struct buf path BUF_AUTO;
	buf_init(&path, 4096);
	mailbox_path(request->mailbox, PATH_MAIN, &path);
	struct stat st;
	Pk__VerifyReply reply = PK__VERIFY_REPLY__INIT;
	reply.ok = verify->count == 0;
	reply.messages = verify->messages;
	reply.damaged = verify->damaged;
	reply.findings = verify->findings;
	reply.n_findings = verify->count;
	reply.file_bytes = stat(path.ptr, &st) == 0 ? (uint64_t)st.st_size : 0;
	reply.schema_version = (uint32_t)db_schema_version(request->mailbox->db);
	return request_reply(request, &reply.base);
}

static int verify_run(struct request *request)
{
	const Pk__VerifyRequest *message = (const Pk__VerifyRequest *)request->message;
	if (request->state == NULL) {
		request->state = mem_new(sizeof(struct verify));
		request->state_free = verify_free;
	}
	struct verify *verify = request->state;
	int rc = verify->begun ? mailbox_ready(request->mailbox, &request->info)
	                       : begin(request, verify);
	bool end = false;
	while (rc == 0 && !end) {
		if (request_slice_over(request))
			return REQUEST_AGAIN;
		rc = check_next(request, verify, message->deep, &end);
	}
	/* What is left of the file cannot be read in order any more. */
	if (rc == E_CORRUPT && verify->begun && request->mailbox->db != NULL) {
		add_finding(verify, str_from(request->info.text));
		rc = 0;
	}
	return rc == 0 ? reply_verified(request, verify) : rc;
}

const struct method store_method_verify = {
	.core.number = PK__STORE_METHOD__STORE_VERIFY,
	.core.name = "verify",
	.core.roles = ROLE_CLI,
	.core.request = &pk__verify_request__descriptor,
	.scope = METHOD_MAILBOX,
	.run = verify_run,
};
