#ifndef POSTKASSE_STORE_SCHEMA_H
#define POSTKASSE_STORE_SCHEMA_H

/*
 * The tables of a mailbox file and of a temporary mailbox, as numbered migrations. doc/schema.md
 * explains every table and column to somebody who opens a file without this program.
 */

#include "db/db.h"

/* Brings db to the newest schema, or checks that it is there. */
int schema_mailbox_migrate(struct db *db, struct errinfo *info) MUST_USE;
int schema_mailbox_check(struct db *db, struct errinfo *info) MUST_USE;
int schema_temporary_migrate(struct db *db, struct errinfo *info) MUST_USE;
/* For tests: the version that this program writes. */
int schema_mailbox_version(void);

#endif
