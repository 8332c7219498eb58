#include "directory/schema.h"

#include "base/mem.h"

/*
 * One set of statements for SQLite now and PostgreSQL later. What that asks of everybody who writes
 * SQL in this folder:
 *
 * - Types are TEXT, BIGINT, BLOB. (PostgreSQL gets CREATE DOMAIN blob AS bytea first.) Dates are
 *   ISO 8601 text in UTC; truth is 0 or 1. Keys are made by us, never by the database.
 * - Parameters are $1, $2, ... and appear for the first time in that order: SQLite numbers them by
 *   appearance, PostgreSQL by name.
 * - In a SELECT that feeds an INSERT a parameter that is no text needs CAST($n AS ...), since there
 *   PostgreSQL takes it for text.
 * - Standard SQL with ON CONFLICT DO NOTHING, no rowid, no PRAGMA, no functions beyond count,
 *   length, coalesce, max; no type affinity: every value is bound with its column's type.
 * - A statement that decides on what was read before carries that decision in its WHERE clause and
 *   looks at the number of changed rows, so that it also holds where writers are not serialized.
 */

const char *const directory_migrations[] = {
	/* 0 to 1 */
	"CREATE TABLE domain ("
	" name TEXT NOT NULL PRIMARY KEY," /* A-labels, lower case */
	" created TEXT NOT NULL);"

	/* Everything that a password opens: created with the first password of an alias. */
	"CREATE TABLE mailbox ("
	" id TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 24),"
	" created TEXT NOT NULL,"
	" salt BLOB NOT NULL CHECK (length(salt) = 16)," /* of SCRAM, one for all slots */
	" iterations BIGINT NOT NULL,"
	" key_record BLOB NOT NULL," /* data keys sealed under the mailbox secret */
	" public_key BLOB CHECK (length(public_key) = 32)," /* NULL: not published yet */
	" store TEXT NOT NULL DEFAULT '',"                  /* home store; empty: this host */
	" next_slot BIGINT NOT NULL DEFAULT 1);"

	"CREATE TABLE alias ("
	" domain TEXT NOT NULL REFERENCES domain (name),"
	" local TEXT NOT NULL," /* lower case, NFC, without +detail */
	" created TEXT NOT NULL,"
	" disabled BIGINT NOT NULL DEFAULT 0,"
	" quota_bytes BIGINT NOT NULL,"
	" mailbox TEXT UNIQUE REFERENCES mailbox (id)," /* NULL: no password yet */
	" PRIMARY KEY (domain, local));"

	"CREATE TABLE slot ("
	" mailbox TEXT NOT NULL REFERENCES mailbox (id),"
	" number BIGINT NOT NULL,"
	" kind BIGINT NOT NULL,"   /* PasswordCreateRequest.Kind */
	" scopes BIGINT NOT NULL," /* set of enum scope */
	" label TEXT NOT NULL,"
	" created TEXT NOT NULL,"
	" last_used TEXT,"
	" replaced_by BIGINT," /* a slot whose confirmation or first use removes this one */
	" stored_key BLOB NOT NULL CHECK (length(stored_key) = 32),"
	" server_key BLOB NOT NULL CHECK (length(server_key) = 32),"
	" by_scram BLOB NOT NULL,"
	" by_plain BLOB NOT NULL,"
	" PRIMARY KEY (mailbox, number));"

	/* Mailboxes that no alias has any more and whose files may still be there. */
	"CREATE TABLE removed_mailbox ("
	" id TEXT NOT NULL PRIMARY KEY,"
	" store TEXT NOT NULL,"
	" removed TEXT NOT NULL);",

	/* 1 to 2: what a store has told about a mailbox; see state.c. */
	"CREATE TABLE mailbox_state ("
	" mailbox TEXT NOT NULL PRIMARY KEY REFERENCES mailbox (id),"
	" generation BIGINT NOT NULL,"
	" uid_validity BIGINT NOT NULL,"
	" modseq BIGINT NOT NULL,"
	" uids BIGINT NOT NULL,"
	" messages BIGINT NOT NULL,"
	" accepting BIGINT NOT NULL," /* the operator lets the file have less */
	" updated TEXT NOT NULL);",

	/* 2 to 3: likewise of mail that waits for its owner; see waiting.c. */
	"CREATE TABLE waiting_state ("
	" mailbox TEXT NOT NULL REFERENCES mailbox (id),"
	" file BIGINT NOT NULL,"
	" acknowledged BIGINT NOT NULL,"
	" opened BIGINT NOT NULL,"
	" lost BIGINT NOT NULL,"
	" updated TEXT NOT NULL,"
	" PRIMARY KEY (mailbox, file));",
};

const int directory_migration_count = (int)ARRAY_LEN(directory_migrations);
