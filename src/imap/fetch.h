#ifndef POSTKASSE_IMAP_FETCH_H
#define POSTKASSE_IMAP_FETCH_H

/*
 * FETCH in three parts: fetch_items.c reads what is asked for, fetch_row.c turns the rows that the
 * store streams into responses, cmd_fetch.c runs the command.
 *
 * Items that stand in a row of their own (FLAGS, ENVELOPE, ...) are a set of enum FetchItem of
 * store.proto plus those below; sections of the body are a list.
 */

#include "imap/folder.h"
#include "imap/parse.h"
#include "imap/scratch.h"

#include "store.pb-c.h"

enum {
	FETCH_SECTIONS_MAX = 64,
	FETCH_FIELDS_MAX = 256,         /* header field names of one section */
	FETCH_HEADER_MAX = 1024 * 1024, /* of a header that HEADER.FIELDS looks at */
	FETCH_PATH_MAX = 100,           /* levels of a part number */
	/* items that the store does not know by a bit */
	FETCH_UID = 1 << 16,
	FETCH_MODSEQ = 1 << 17,
	FETCH_BODY = 1 << 18, /* the form of BODYSTRUCTURE without extension data */
};

struct fetch_section {
	struct str label;   /* how the response names it: "BODY[1.MIME]<0>", "RFC822.TEXT" */
	struct str *fields; /* HEADER.FIELDS: the names; NULL: all */
	size_t field_count;
	bool fields_not; /* HEADER.FIELDS.NOT */
	bool partial;    /* applied here, not by the store: HEADER.FIELDS */
	uint64_t partial_offset;
	uint64_t partial_length;
};

struct fetch_items {
	uint32_t set;
	bool mark_seen; /* a section without PEEK */
	struct fetch_section *sections;
	Pk__Section **requests; /* the same sections as the store is asked for them */
	size_t section_count;
};

/* "ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")", in in's arena. */
bool fetch_items_parse(struct imap_parse *in, struct fetch_items *ret);

/*
 * A FETCH under way: where in which row's response we are. A stream that breaks off goes on with a new
 * request from fetch_resume on; what was written of the open row is not written again.
 */
struct fetch_run {
	const struct fetch_items *items; /* borrowed */
	struct view *folder;             /* borrowed */
	struct scratch *scratch;         /* borrowed */
	bool condstore;                  /* tell MODSEQ with FLAGS that change */
	uint32_t uid;                    /* the open row's; 0: none is open */
	bool unknown;      /* the open row is of a message that the client does not know */
	uint32_t last_uid; /* of the last row that is complete */
	bool separated;    /* an item was written in the open row */
	size_t section;    /* the next, or the open one */
	bool section_open;
	uint64_t section_done; /* bytes of it that we have had */
	uint64_t section_total;
	struct buf held; /* of a section that is changed before it is written */
};

void fetch_run_init(struct fetch_run *run, const struct fetch_items *items, struct view *folder,
                    struct scratch *scratch, bool condstore);
void fetch_run_done(struct fetch_run *run);
/* Appends what row adds to the responses. E_INVALID: the row does not go on where we are; nothing that
 * follows would make sense to the client. */
int fetch_run_row(struct fetch_run *run, const Pk__FetchRow *row, struct buf *out) MUST_USE;
/* True between rows: what was written is complete responses. */
bool fetch_run_between_rows(const struct fetch_run *run);
/* Cuts the ranges of request to what has not been written completely. */
void fetch_resume(struct fetch_run *run, Pk__FetchRequest *request);

/* Appends the fields of header that section asks for, and the blank line. */
void fetch_filter_header(struct buf *out, struct str header, const struct fetch_section *section);

#endif
