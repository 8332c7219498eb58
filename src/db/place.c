#include <sys/stat.h>

#include "db/internal.h"

static struct db_file_id id_of(const char *path)
{
	struct stat status;
	if (path == NULL || stat(path, &status) != 0)
		return (struct db_file_id){0};
	return (struct db_file_id){.device = status.st_dev, .inode = status.st_ino};
}

static bool same(const struct db_file_id *a, const struct db_file_id *b)
{
	return a->device == b->device && a->inode == b->inode;
}

static const char *main_path(const struct db *db)
{
	return sqlite3_db_filename(db->handle, "main");
}

int db_place_note(struct db *db, struct errinfo *info)
{
	const char *path = main_path(db);
	int moved = 0;
	db->place = id_of(path);
	db->wal_place = id_of(sqlite3_filename_wal(path));
	/* What is at the path now need not be what was opened a moment ago. */
	sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
	if (moved != 0 || db->place.inode == 0)
		return err_set(info, E_IO, "database: the file is not there any more");
	return 0;
}

bool db_in_place(const struct db *db)
{
	const char *path = main_path(db);
	struct db_file_id now = id_of(path);
	if (!same(&now, &db->place))
		return false;
	if (db->wal_place.inode == 0)
		return true;
	now = id_of(sqlite3_filename_wal(path));
	return same(&now, &db->wal_place);
}
