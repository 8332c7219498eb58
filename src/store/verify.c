#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "crypto/digest.h"
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

static void add_lines(struct verify *verify, struct str lines)
{
	while (lines.len > 0) {
		ptrdiff_t end = str_find_byte(lines, '\n');
		struct str line = end < 0 ? lines : str_slice(lines, 0, (size_t)end);
		if (line.len > 0)
			add_finding(verify, line);
		lines = str_from_byte(lines, line.len + 1);
	}
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

static int begin(struct request *request, struct verify *verify)
{
	const Pk__VerifyRequest *message = (const Pk__VerifyRequest *)request->message;
	struct mailbox *mailbox = request->mailbox;
	struct buf record BUF_AUTO, findings BUF_AUTO;
	buf_init(&record, KEY_RECORD_MAX);
	buf_init(&findings, 1024 * 1024);
	int rc = mailbox_unlock(mailbox, STR_OF_BYTES(message->mailbox_secret),
	                        STR_OF_BYTES(message->key_record), &record, &request->info);
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

/* The next message; *ret_end after the last. */
static int check_next(struct request *request, struct verify *verify, bool deep, bool *ret_end)
{
	struct db_stmt *q = db_query(request->mailbox->db,
	                             "SELECT id, digest FROM message WHERE id>?1 ORDER BY id LIMIT 1");
	db_bind_int(q, 1, verify->last);
	int rc = db_step(q, &request->info);
	*ret_end = rc == 0;
	if (rc != DB_ROW)
		return rc;
	verify->last = db_int(q, 0);
	verify->messages++;
	rc = deep ? check_message(request, verify->last, db_blob(q, 1)) : 0;
	db_reset(q);
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
	if (rc == 0)
		return reply_verified(request, verify);
	/* What is left of the file cannot be read in order any more. */
	if (rc == E_CORRUPT && verify->begun && request->mailbox->db != NULL) {
		add_finding(verify, str_from(request->info.text));
		return reply_verified(request, verify);
	}
	return rc;
}

const struct method store_method_verify = {
	.number = PK__STORE_METHOD__STORE_VERIFY,
	.name = "verify",
	.roles = ROLE_CLI,
	.scope = METHOD_MAILBOX,
	.request = &pk__verify_request__descriptor,
	.run = verify_run,
};
