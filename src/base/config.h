#ifndef POSTKASSE_BASE_CONFIG_H
#define POSTKASSE_BASE_CONFIG_H

/*
 * The configuration: one file of "name = value" lines ("#" begins a comment line), from one table of
 * options in options.c (name, type, what a reload does, default, range, a sentence). An environment
 * variable POSTKASSE_NAME (upper case) overrides the file. An unknown name, a bad value or a value
 * out of range is an error that names its line. Parsing does no I/O; a struct config is read-only
 * once made.
 */

#include "base/error.h"
#include "base/str.h"

enum config_type {
	CONFIG_BOOL,     /* yes, no */
	CONFIG_NUMBER,   /* a count */
	CONFIG_SIZE,     /* bytes: 50M, 10G, 4096 (K M G T, powers of 1024) */
	CONFIG_DURATION, /* milliseconds inside; 30s, 5m, 12h, 5d, 250ms */
	CONFIG_TEXT,
	CONFIG_PATH,
	CONFIG_LIST,   /* words separated by blanks or commas */
	CONFIG_CHOICE, /* one of the words in choices */
};

/* What a SIGHUP does with a value that changed. */
enum config_reload {
	CONFIG_RELOADS = 1, /* every process that uses it has it at once */
	CONFIG_RESTARTS,    /* the old one stays until the next start, and a warning names the option */
};

struct config_option {
	const char *name;
	enum config_type type;
	enum config_reload reload;
	const char *standard; /* the default, as it would stand in the file */
	int64_t min, max;     /* of numbers, sizes, durations */
	const char *choices;  /* "debug info warn error", for CONFIG_CHOICE */
	const char *section;  /* heading in postkasse.conf(5) */
	const char *sentence;
};

/* The table, sorted by section as in the manual; *ret_count entries. */
const struct config_option *config_options(size_t *ret_count);

enum { CONFIG_NUMBER_SIZE = 24 };
/* A number of a type in the form that the file has, in the largest unit that divides it ("50M"). */
void config_format_number(enum config_type type, int64_t number, char ret[CONFIG_NUMBER_SIZE]);

struct config;

/* All defaults. */
struct config *config_new(void) __attribute__((returns_nonnull, warn_unused_result));
void config_free(struct config *config);
/* Reads a file's text over what is there; file names it in messages ("postkasse.conf:12: ..."). */
int config_parse(struct config *config, const char *file, struct str text,
                 struct errinfo *info) MUST_USE;
/* Overrides from "POSTKASSE_NAME=value" strings, a NULL-terminated list such as environ; other names
 * are passed over, POSTKASSE_ followed by no option's name is an error. */
int config_parse_environment(struct config *config, char *const *environment,
                             struct errinfo *info) MUST_USE;
/* Appends every option as text that config_parse reads back, values included: how a configuration
 * is handed to another process. */
void config_print(const struct config *config, struct buf *out);

/* Gives every option that only a restart changes the value that it has in running. changed (NULL:
 * nobody) is called for each one that had another. */
void config_keep_fixed(struct config *config, const struct config *running,
                       void (*changed)(void *ctx, const char *name), void *ctx);

/* Asking for a name that is not in the table, or of another type, is our own bug. */
bool config_bool(const struct config *config, const char *name);
int64_t config_number(const struct config *config, const char *name);   /* NUMBER, SIZE, DURATION */
const char *config_text(const struct config *config, const char *name); /* TEXT, PATH, CHOICE */
/* Walks the words of a LIST: *position starts at 0. */
bool config_list_next(const struct config *config, const char *name, size_t *position,
                      struct str *ret_word);

#endif
