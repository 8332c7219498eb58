#ifndef POSTKASSE_FRONT_VIEW_H
#define POSTKASSE_FRONT_VIEW_H

/*
 * A folder as one client was told of it: which UID has which number, which messages are new to it, and up to which
 * modseq it has heard of changes. The store knows more; what has changed since comes as data to a listener, in the
 * order in which numbers stay right, and the front says it in its protocol. Loop thread only.
 */

#include "base/map.h"
#include "front/uidmap.h"

#include "store.pb-c.h"

struct view {
	char *name; /* owned */
	uint64_t id;
	uint32_t uid_validity;
	uint64_t seen_modseq;
	bool read_only;
	bool behind; /* asking for them failed: a client may know UIDs that we do not */
	bool dirty;  /* the store has, or may have, changes that we have not asked for */
	struct uidmap map;
	struct seq_list recent;     /* UIDs that are \Recent here; some may be expunged */
	struct seq_list pending;    /* expunged in the store, still in map: the client was not told */
	Pk__ChangesRequest changes; /* of view_ask */
	struct map *keywords;       /* that were told; each to itself */
	bool keywords_full;         /* the mailbox takes no further one */
	struct view_shown *shown;   /* rows that the client has seen ahead of seen_modseq */
	size_t shown_count;
};

/* The state of a message that an answer has shown: changes need not tell it again. */
struct view_shown {
	uint32_t uid;
	uint64_t modseq;
};

struct view_events {
	/* view->keywords, or whether there may be more of them, has changed. */
	void (*keywords)(void *ctx);
	/* One message is gone, by its number when it is told: from the highest of several down. */
	void (*expunged)(void *ctx, uint32_t seq);
	/* Fewer are \Recent, because of that; see view_recent. */
	void (*recent)(void *ctx);
	/* There are more messages in view->map. */
	void (*grown)(void *ctx);
	/* The flags of one that the client knows. */
	void (*row)(void *ctx, uint32_t seq, const Pk__FetchRow *row);
};

struct view_listener {
	const struct view_events *events;
	void *ctx;
	bool may_expunge; /* numbers may change now; else what is gone is pending */
};

/* From the answer to STORE_SELECT. */
struct view *view_new(const Pk__SelectReply *reply, struct str name, bool read_only)
	__attribute__((returns_nonnull, warn_unused_result));
/* NULL is fine. */
void view_free(struct view *view);

/* How many messages are \Recent, and whether this one is. */
uint32_t view_recent(const struct view *view);
bool view_is_recent(const struct view *view, uint32_t uid);
/* Notes a modseq that the client knows of because it caused it. */
void view_saw(struct view *view, uint64_t modseq);
/* Notes that an answer tells the flags of that message as they are at that modseq. */
void view_showed(struct view *view, uint32_t uid, uint64_t modseq);
/* Notes the keywords of a row that is shown: true if one of them was not told of before. */
bool view_learn(struct view *view, const Pk__FetchRow *row);

/* The question for what has changed; borrowed until the next. What happens from now on is news again. */
ProtobufCMessage *view_ask(struct view *view);
/* Takes over its answer. */
void view_changes(struct view *view, const Pk__ChangesReply *reply,
                  const struct view_listener *listener);
/* Takes over which messages there are now from another STORE_SELECT of the same folder. */
void view_reselected(struct view *view, const Pk__SelectReply *reply,
                     const struct view_listener *listener);
/* The flags of a message: nothing if the client does not know it. */
void view_row(struct view *view, const Pk__FetchRow *row, const struct view_listener *listener);
/* Messages are gone. ranges need no order. */
void view_expunged(struct view *view, Pk__UidRange *const *ranges, size_t count,
                   const struct view_listener *listener);

#endif
