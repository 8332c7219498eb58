#ifndef POSTKASSE_IMAP_READER_H
#define POSTKASSE_IMAP_READER_H

/*
 * From a stream of bytes to whole commands: lines, and the literals that continue them (RFC 9051
 * section 4.3, RFC 7888). A command is complete when a line ends without announcing a literal; its
 * text, literals included, then lies in one piece in text. Before a literal is taken the caller is
 * asked, so that limits hold before the client is told to go on. Memory is held only while a command
 * is under way.
 */

#include "base/str.h"

enum {
	IMAP_TEXT_MAX = 256 * 1024, /* one command, its literals included */
	IMAP_SKIP_MAX = 1024 *
	                1024, /* bytes of a refused command that are read past; more is a flood */
	IMAP_TAIL_SIZE = 32,  /* holds any sane announcement of a literal */
	IMAP_TAG_ROOM = 256,  /* of a line that is too long so much is kept, to answer by its tag */
};

enum imap_read {
	IMAP_READ_MORE,    /* all input consumed, the command is not complete */
	IMAP_READ_COMMAND, /* text is a complete command, without the last line's end */
	IMAP_READ_LITERAL, /* text ends in an announcement of literal_size bytes; call imap_reader_take,
	                       imap_reader_divert, imap_reader_skip or (synchronizing) _reset */
	IMAP_READ_DIVERTED, /* the diverted literal's next bytes are at the front of the input */
	IMAP_READ_REFUSED,  /* a command that was too long or was to be skipped has ended */
	IMAP_READ_FLOOD,    /* far over the limits: end the connection */
};

struct imap_reader {
	struct buf text;
	size_t line_max;       /* bytes of the lines of one command */
	size_t line_bytes;     /* of them so far */
	uint64_t literal_size; /* of the literal announced */
	uint64_t literal_left;
	bool synchronizing; /* the client waits for our "+" */
	bool too_long;      /* why it was refused: a line or the whole; else because of _skip */
	enum { READER_LINE, READER_ASK, READER_LITERAL, READER_DIVERTED } state;
	size_t line_start; /* in text, of the line that is being read */
	bool skipping;
	uint64_t skipped;
	uint64_t skip_more;        /* that many more bytes may be skipped */
	char tail[IMAP_TAIL_SIZE]; /* while skipping: the end of the line that is being read */
	size_t tail_len;
};

/* line_max: bytes of all lines of one command; text_max: with its literals, at most IMAP_TEXT_MAX. */
void imap_reader_init(struct imap_reader *reader, size_t line_max, size_t text_max);
void imap_reader_done(struct imap_reader *reader);
/* Ready for the next command; gives the memory back. */
void imap_reader_reset(struct imap_reader *reader);
/* For tests: true between commands. */
bool imap_reader_idle(const struct imap_reader *reader);

/* Looks at input and returns how many bytes of it have been used up. */
size_t imap_reader_feed(struct imap_reader *reader, struct str input, enum imap_read *ret);

/* How large a literal may be to fit into text. */
size_t imap_reader_room(const struct imap_reader *reader);
/* After IMAP_READ_LITERAL. take (literal_size is at most imap_reader_room): it becomes part of text. divert: the caller takes its bytes itself,
 * telling by imap_reader_diverted. skip: read past this literal and what follows of the command, IMAP_SKIP_MAX bytes and more. */
void imap_reader_take(struct imap_reader *reader);
void imap_reader_divert(struct imap_reader *reader);
void imap_reader_skip(struct imap_reader *reader, uint64_t more);
void imap_reader_diverted(struct imap_reader *reader, size_t bytes);

#endif
