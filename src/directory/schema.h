#ifndef POSTKASSE_DIRECTORY_SCHEMA_H
#define POSTKASSE_DIRECTORY_SCHEMA_H

/* The migrations of the directory's database, for db_migrate. Never changed once released, only
 * added to. */

#include "db/db.h"

extern const char *const directory_migrations[];
extern const int directory_migration_count;

#endif
