/*
 * A disk that loses its power, below SQLite, its cipher layer and our own code alike. System calls on files
 * below one folder reach the real files, as the page cache would have it, and are remembered: what a sync
 * has not confirmed is lost at power_cut, or some of it, torn at sectors and in any order. A sync can be
 * made to fail: then the kernel forgets what was to be written, and the next sync succeeds without it.
 *
 * What a file is called lasts from the sync of its folder on. These definitions come before the C library's.
 */

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/must.h"

enum { POWER_FDS = 4096, POWER_NAMES = 256, SECTOR = 512 };

/* What is left of changes that no sync has confirmed. */
enum tear { TEAR_ALL_LOST, TEAR_ALL_KEPT, TEAR_SOME };

struct change {
	off_t at;
	size_t len; /* 0: the file is cut off at at */
	char *bytes;
	struct change *next;
};

/* A file, whatever it is called. */
struct node {
	char *durable;
	size_t size;
	struct change *first, **end;
};

struct name {
	char path[256];
	bool folder; /* one made since power_start */
	struct node *now, *durable;
};

struct remains {
	char path[256];
	char *bytes;
	size_t size;
};

static struct {
	pthread_mutex_t lock;
	const char *dir; /* what lies below it is on that disk; NULL: none is */
	bool off;
	struct name names[POWER_NAMES];
	size_t name_count;
	struct node *nodes[POWER_NAMES];
	size_t node_count;
	struct node *fds[POWER_FDS];
	char *folders[POWER_FDS]; /* paths of those that are folders */
	enum tear tear;
	int cut_at;    /* the change or sync that the power ends before, counted from 1; 0: none */
	int fail_at;   /* the sync that fails */
	int fail_more; /* so many after it do, too */
	int error;     /* and how */
	int changes, syncs;
	bool slow;   /* syncs wait in the disk until it is not */
	int waiting; /* so many do */
	pthread_cond_t quick;
	uint32_t random;
	struct remains remains[POWER_NAMES];
	size_t remains_count;
} power = {.lock = PTHREAD_MUTEX_INITIALIZER, .quick = PTHREAD_COND_INITIALIZER};

static unsigned power_random(unsigned below)
{
	power.random = power.random * 1664525 + 1013904223;
	return (power.random >> 8) % below;
}

/* ---------------------------------------------------------------- files and their names */

static struct node *power_node(void)
{
	must(power.node_count < POWER_NAMES);
	struct node *node = mem_new(sizeof(*node));
	node->end = &node->first;
	power.nodes[power.node_count++] = node;
	return node;
}

/* Locks and what is only in memory are not on the disk. */
static bool power_ours(const char *path)
{
	return power.dir != NULL && str_starts(str_from(path), str_from(power.dir)) &&
	       !str_ends_nocase(str_from(path), STR("-shm"));
}

static struct name *power_name(const char *path)
{
	for (size_t i = 0; i < power.name_count; i++)
		if (strcmp(power.names[i].path, path) == 0)
			return &power.names[i];
	must(power.name_count < POWER_NAMES);
	struct name *name = &power.names[power.name_count++];
	snprintf(name->path, sizeof(name->path), "%s", path);
	name->now = name->durable = NULL;
	name->folder = false;
	return name;
}

static void node_apply(char **bytes, size_t *size, const struct change *change, size_t from,
                       size_t to)
{
	size_t at = (size_t)change->at;
	size_t end = change->len == 0 ? at : at + to;
	if (end > *size) {
		*bytes = mem_grow(*bytes, end, 1);
		memset(*bytes + *size, 0, end - *size);
	}
	if (change->len == 0 || end > *size)
		*size = end;
	if (change->len > 0)
		memcpy(*bytes + at + from, change->bytes + from, to - from);
}

static void node_forget(struct node *node)
{
	for (struct change *change = node->first, *next; change != NULL; change = next) {
		next = change->next;
		free(change->bytes);
		free(change);
	}
	node->first = NULL;
	node->end = &node->first;
}

static void node_sync(struct node *node)
{
	for (struct change *change = node->first; change != NULL; change = change->next)
		node_apply(&node->durable, &node->size, change, 0, change->len);
	node_forget(node);
}

static void node_change(struct node *node, off_t at, const void *from, size_t len)
{
	struct change *change = mem_new(sizeof(*change));
	*change = (struct change){.at = at, .len = len};
	if (len > 0) {
		change->bytes = mem_new(len);
		memcpy(change->bytes, from, len);
	}
	*node->end = change;
	node->end = &change->next;
}

/* ---------------------------------------------------------------- the cut */

static void remains_apply(struct remains *remains, const struct change *change)
{
	if (power.tear == TEAR_ALL_KEPT) {
		node_apply(&remains->bytes, &remains->size, change, 0, change->len);
		return;
	}
	if (power.tear == TEAR_ALL_LOST || power_random(2) == 0)
		return;
	size_t from = 0, to = change->len;
	if (to > SECTOR && power_random(4) == 0)
		from = power_random((unsigned)(to / SECTOR)) * SECTOR;
	else if (to > SECTOR && power_random(4) == 0)
		to = (1 + power_random((unsigned)(to / SECTOR))) * SECTOR;
	node_apply(&remains->bytes, &remains->size, change, from, to);
}

/* Whether there is a way to it. Folders that were there at the start are no names. */
static bool folder_lasts(const char *path)
{
	size_t len = (size_t)(strrchr(path, '/') - path);
	for (size_t i = 0; i < power.name_count; i++) {
		const struct name *name = &power.names[i];
		if (name->folder && strlen(name->path) == len && strncmp(name->path, path, len) == 0)
			return name->durable != NULL || power.tear == TEAR_ALL_KEPT;
	}
	return true;
}

static void power_cut_locked(void)
{
	power.off = true;
	for (size_t i = 0; i < power.name_count; i++) {
		const struct name *name = &power.names[i];
		bool late = power.tear == TEAR_ALL_KEPT ||
		            (power.tear == TEAR_SOME && power_random(2) == 0);
		const struct node *node = late ? name->now : name->durable;
		if (node == NULL || name->folder || !folder_lasts(name->path))
			continue;
		struct remains *remains = &power.remains[power.remains_count++];
		*remains = (struct remains){.size = node->size, .bytes = mem_new(node->size + 1)};
		snprintf(remains->path, sizeof(remains->path), "%s", name->path);
		if (node->size > 0)
			memcpy(remains->bytes, node->durable, node->size);
		for (const struct change *change = node->first; change != NULL; change = change->next)
			remains_apply(remains, change);
	}
}

static UNUSED void power_cut(void)
{
	pthread_mutex_lock(&power.lock);
	if (!power.off)
		power_cut_locked();
	pthread_mutex_unlock(&power.lock);
}

/* Counts what changes the disk. With the lock. */
static bool power_counts(void)
{
	if (!power.off && power.dir != NULL && ++power.changes == power.cut_at)
		power_cut_locked();
	return !power.off && power.dir != NULL;
}

/* ---------------------------------------------------------------- system calls */

int open(const char *path, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	int mode = va_arg(args, int); /* what is there without O_CREAT is not looked at */
	va_end(args);
	pthread_mutex_lock(&power.lock);
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	struct stat st;
	if (fd >= 0 && fd < POWER_FDS && !power.off && power_ours(path) &&
	    syscall(SYS_newfstatat, AT_FDCWD, path, &st, 0) == 0) {
		if (S_ISDIR(st.st_mode)) {
			power.folders[fd] = str_dup(str_from(path));
		} else {
			struct name *name = power_name(path);
			if (name->now == NULL)
				name->now = power_node();
			power.fds[fd] = name->now;
		}
	}
	pthread_mutex_unlock(&power.lock);
	return fd;
}

int close(int fd)
{
	pthread_mutex_lock(&power.lock);
	if (fd >= 0 && fd < POWER_FDS) {
		power.fds[fd] = NULL;
		free(power.folders[fd]);
		power.folders[fd] = NULL;
	}
	pthread_mutex_unlock(&power.lock);
	return (int)syscall(SYS_close, fd);
}

static struct node *node_of(int fd)
{
	return fd >= 0 && fd < POWER_FDS ? power.fds[fd] : NULL;
}

ssize_t pwrite(int fd, const void *from, size_t len, off_t at)
{
	pthread_mutex_lock(&power.lock);
	struct node *node = node_of(fd);
	if (node != NULL && len > 0 && power_counts())
		node_change(node, at, from, len);
	pthread_mutex_unlock(&power.lock);
	return syscall(SYS_pwrite64, fd, from, len, at);
}

int ftruncate(int fd, off_t size)
{
	pthread_mutex_lock(&power.lock);
	struct node *node = node_of(fd);
	if (node != NULL && power_counts())
		node_change(node, size, NULL, 0);
	pthread_mutex_unlock(&power.lock);
	return (int)syscall(SYS_ftruncate, fd, size);
}

static void sync_folder_names(const char *folder)
{
	size_t len = strlen(folder);
	for (size_t i = 0; i < power.name_count; i++) {
		struct name *name = &power.names[i];
		if (strncmp(name->path, folder, len) == 0 && name->path[len] == '/' &&
		    strchr(name->path + len + 1, '/') == NULL)
			name->durable = name->now;
	}
}

/* 0, or the error that this sync has. */
static int power_sync(int fd)
{
	int error = 0;
	pthread_mutex_lock(&power.lock);
	struct node *node = node_of(fd);
	const char *folder = fd >= 0 && fd < POWER_FDS ? power.folders[fd] : NULL;
	power.waiting++;
	while (power.slow && node != NULL)
		pthread_cond_wait(&power.quick, &power.lock);
	power.waiting--;
	if ((node != NULL || folder != NULL) && power_counts()) {
		power.syncs++;
		if (power.fail_at > 0 && power.syncs >= power.fail_at &&
		    power.syncs <= power.fail_at + power.fail_more)
			error = power.error;
		if (folder != NULL && error == 0)
			sync_folder_names(folder);
		else if (node != NULL && error == 0)
			node_sync(node);
		else if (node != NULL)
			node_forget(node); /* they look as if they had been written */
	}
	pthread_mutex_unlock(&power.lock);
	return error;
}

int fdatasync(int fd)
{
	errno = power_sync(fd);
	return errno == 0 ? 0 : -1;
}

int fsync(int fd)
{
	return fdatasync(fd);
}

int unlink(const char *path)
{
	pthread_mutex_lock(&power.lock);
	int rc = (int)syscall(SYS_unlink, path);
	if (rc == 0 && power_ours(path) && power_counts())
		power_name(path)->now = NULL;
	pthread_mutex_unlock(&power.lock);
	return rc;
}

int rename(const char *from, const char *to)
{
	pthread_mutex_lock(&power.lock);
	int rc = (int)syscall(SYS_rename, from, to);
	if (rc == 0 && power_ours(from) && power_counts()) {
		power_name(to)->now = power_name(from)->now;
		power_name(from)->now = NULL;
	}
	pthread_mutex_unlock(&power.lock);
	return rc;
}

int mkdir(const char *path, mode_t mode)
{
	pthread_mutex_lock(&power.lock);
	int rc = (int)syscall(SYS_mkdir, path, mode);
	if (rc == 0 && power_ours(path) && power_counts()) {
		struct name *name = power_name(path);
		name->folder = true;
		name->now = power_node();
	}
	pthread_mutex_unlock(&power.lock);
	return rc;
}

/* With 64-bit offsets the headers give some calls a symbol of another name; both are wanted. */
#define SAME(narrow, name) \
	__typeof__(name) narrow __asm__(#name) __attribute__((copy(name), alias(#name "64")))
SAME(open_narrow, open);
SAME(pwrite_narrow, pwrite);
SAME(ftruncate_narrow, ftruncate);

/* ---------------------------------------------------------------- on and off */

static UNUSED int power_adopt(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)ftw;
	if (type != FTW_F || !power_ours(path))
		return 0;
	struct name *name = power_name(path);
	struct node *node = name->now = name->durable = power_node();
	node->size = (size_t)st->st_size;
	node->durable = mem_new(node->size + 1);
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
	must(fd >= 0 && pread(fd, node->durable, node->size, 0) == (ssize_t)node->size);
	syscall(SYS_close, fd);
	return 0;
}

static void power_forget(void)
{
	for (size_t i = 0; i < power.node_count; i++) {
		node_forget(power.nodes[i]);
		free(power.nodes[i]->durable);
		free(power.nodes[i]);
	}
	power.node_count = power.name_count = 0;
	memset(power.fds, 0, sizeof(power.fds));
}

/* From here on: what lies below dir is on the disk, and durable. Nobody has any of it open. */
static UNUSED void power_start(const char *dir)
{
	power_forget();
	power.off = false;
	power.changes = power.syncs = power.cut_at = power.fail_at = power.fail_more = 0;
	power.dir = dir;
	must(nftw(dir, power_adopt, 16, FTW_PHYS) == 0);
}

/* Whether syncs wait in the disk from now on. */
static UNUSED void power_slow(bool slow)
{
	pthread_mutex_lock(&power.lock);
	power.slow = slow;
	pthread_cond_broadcast(&power.quick);
	pthread_mutex_unlock(&power.lock);
}

/* So many wait there. */
static UNUSED int power_waiting(void)
{
	pthread_mutex_lock(&power.lock);
	int waiting = power.waiting;
	pthread_mutex_unlock(&power.lock);
	return waiting;
}

/* Of all places for a cut one in so many is tried; with TEST_STEP=1 in the environment each. */
static UNUSED int power_step(int usual)
{
	const char *asked = getenv("TEST_STEP");
	return asked == NULL ? usual : (int)strtol(asked, NULL, 10);
}

/* An end of the counting, without a cut. */
static UNUSED void power_stop(void)
{
	power.dir = NULL;
	power_forget();
}

static UNUSED int power_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	return type == FTW_F ? remove(path) : 0;
}

/* What the disk has after the cut. Nobody has any of it open. */
static UNUSED void power_back(void)
{
	const char *dir = power.dir;
	must(power.off);
	power_stop();
	must(nftw(dir, power_remove, 16, FTW_PHYS) == 0);
	for (size_t i = 0; i < power.remains_count; i++) {
		struct remains *remains = &power.remains[i];
		int fd = (int)syscall(SYS_openat, AT_FDCWD, remains->path, O_WRONLY | O_CREAT | O_EXCL,
		                      0600);
		must(fd >= 0);
		must(syscall(SYS_pwrite64, fd, remains->bytes, remains->size, 0) == (ssize_t)remains->size);
		syscall(SYS_close, fd);
		free(remains->bytes);
	}
	power.remains_count = 0;
	power.off = false;
}
