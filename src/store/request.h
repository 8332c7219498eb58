#ifndef POSTKASSE_STORE_REQUEST_H
#define POSTKASSE_STORE_REQUEST_H

/*
 * One request of the link on its way through the store, and the table of methods. The loop's thread
 * checks who may ask, unpacks it when it is short, and gives it to the mailbox's turn; the method's run
 * works on it in a worker; back in the loop the reply goes out and sessions are told of changes.
 */

#include <protobuf-c/protobuf-c.h>
#include <stdatomic.h>

#include "net/core_server.h"
#include "store.pb-c.h"
#include "store/check.h"
#include "store/mailbox.h"
#include "store/worker.h"

enum {
	SLICE_MS = 20,           /* a long request lets others go first after this */
	CHUNK_SIZE = 160 * 1024, /* a piece of a stream is sent when it has reached this */
	REPLY_MAX = LINK_MESSAGE_MAX - 64 * 1024,
	CHANGES_MAX = 2,
	/* Bounds on a request before it is unpacked, see link_unpack. */
	REQUEST_UIDS_MAX = WIRE_ITEMS_MANY,                   /* where a set of messages is named */
	REQUEST_PARTS_MAX = 2 * (PARTS_MAX + WIRE_ITEMS_FEW), /* with a description of a message */
};

enum { SESSION_CLIENT_SIZE = 64 };

struct session {
	uint64_t id;
	struct mailbox *mailbox;

	/* The loop's. */
	LIST_ENTRY(session) of_mailbox, of_peer;
	struct link_peer *peer;
	unsigned request_count; /* under way */
	bool registered;
	bool closed;
	bool told;         /* scratch of one round of events */
	uint64_t watching; /* the folder whose changes it is told of */
	int64_t since_ms;
	char service[8], client[SESSION_CLIENT_SIZE]; /* to show; as the front says */

	/* The turn's. */
	uint64_t folder; /* selected; 0: none */
	bool read_only;
	uint32_t recent_from;
	uint64_t quota;         /* bytes, 0: none */
	int64_t keywords_known; /* how many of the mailbox's keywords the front has been told */
};

/* Something changed in a folder. */
struct change {
	uint64_t folder;
	uint64_t modseq;
	bool to_all; /* also to the session that caused it, whose reply does not say it */
};

/* What run returns besides errors. */
enum { REQUEST_DONE = 0, REQUEST_AGAIN = 1, REQUEST_CHUNK = 2 };

struct method;
struct delivery;

struct request {
	struct task task;
	const struct method *method;
	struct store *store;
	struct mailbox *mailbox;
	struct session *session; /* NULL when the method needs none */

	/* The loop's. */
	struct marks_question *question; /* how far the mailbox had come is asked for */
	struct link_inbound *inbound;    /* NULL: internal, or part of a delivery */
	bool waiting;                    /* for credit */
	LIST_ENTRY(request) under_way;

	ProtobufCMessage *message; /* the unpacked body; of a delivery's: borrowed from it; NULL: see
	                              request_unpack */
	struct str upload;         /* borrowed from inbound */
	struct delivery *delivery; /* with target: one recipient's part of a DELIVER */
	size_t target;
	atomic_bool cancelled;

	/* While it runs. */
	bool holds_key;    /* see request_unlock */
	bool shown_secret; /* it has, the right one */
	struct worker *worker;
	struct packer *packer;
	int64_t slice_end_ms;
	void *state; /* the method's own, kept between slices */
	void (*state_free)(void *state);

	/* How far the mailbox had come as the directory knows, for requests that open it; or why nobody
	 * knows. */
	struct mark known;
	struct wait_marks known_waits;
	bool asked; /* both are an answer that has not been looked at yet */
	int unknown_error;

	/* The result. */
	int error;
	unsigned repeats; /* it met a full volume so often */
	struct errinfo info;
	struct buf reply;
	struct buf
		chunk; /* of a stream: goes out before the reply, or instead of it with more to come */
	bool more;
	bool sealed; /* of a delivery: it waits in the temporary mailbox */
	bool watch_set;
	uint64_t watch;
	struct change changes[CHANGES_MAX];
	int change_count;
	struct mark mark;        /* the mailbox has come so far, when known */
	bool has_less;           /* it was found to have less than it had */
	struct wait_marks waits; /* how far what waits for it is */
	uint64_t waits_lost;     /* and so much is missing */
	bool wants_care;         /* the mailbox has something to be looked after */
	unsigned care;           /* of our own requests: an enum care */
	bool forgot;             /* and whether it took the key away */
};

enum method_scope {
	METHOD_SESSION, /* field 1 is a session of the asking peer */
	METHOD_OPENING, /* field 1 is a mailbox; a session comes of it */
	METHOD_MAILBOX, /* field 1 is a mailbox */
	METHOD_TARGETS, /* a delivery */
	METHOD_CLOSING, /* as METHOD_SESSION, answered by the loop's thread */
	METHOD_STORE,   /* answered by the loop's thread */
};

struct method {
	struct core_method core;
	enum method_scope scope;
	bool fills; /* refused when the volume is nearly full */
	bool grows; /* a little: not refused then, but nothing is done to make room for it */
	/* A request of one that grows for which that is done all the same: it is a way to make some. Or NULL. */
	bool (*frees)(const ProtobufCMessage *message);
	bool grouped;      /* takes its likes that wait behind it along */
	bool changes;      /* in one slice; may share the sync of what ran before it */
	bool reads_once;   /* its reads are one, see db_read_begin */
	bool without_mark; /* works on a mailbox whatever it had before */
	int (*run)(struct request *request); /* NULL where the loop's thread answers: */
	/* of METHOD_STORE; replies before it returns */
	void (*answer)(struct store *store, struct link_inbound *inbound,
	               const ProtobufCMessage *message);
	/* What the loop's thread still does once it has run, before the reply. May be NULL. */
	void (*finished)(struct request *request);
};

extern const struct method store_method_open, store_method_close, store_method_folder_list,
	store_method_folder_create, store_method_folder_delete, store_method_folder_rename,
	store_method_folder_subscribe, store_method_folder_status, store_method_select,
	store_method_unselect, store_method_changes, store_method_fetch, store_method_store,
	store_method_search, store_method_copy, store_method_expunge, store_method_append,
	store_method_deliver, store_method_create, store_method_attach, store_method_rekey,
	store_method_verify, store_method_remove, store_method_hold, store_method_statistics,
	store_method_session_list, store_method_session_end, store_method_file_list,
	store_method_waiting;

/* In the worker: unpacks a long request, which nobody else shall wait for, when its turn has come. Nothing to
 * do for all others. */
int request_unpack(struct request *request) MUST_USE;
/* Frees the message, unless it is a delivery's. */
void request_free_message(struct request *request);
/* Frees what a request of method was unpacked to. */
void request_free_unpacked(const struct method *method, ProtobufCMessage *message);
/* Field 1, which names a session or a mailbox. */
const void *request_first_field(const ProtobufCMessage *message, ProtobufCType type);
/* mailbox_unlock for a request of several slices: the key that it has put in stays until it is through.
 * A request that shows no right secret holds nothing up. */
int request_unlock(struct request *request, struct str secret, struct str record,
                   struct buf *new_record) MUST_USE;
/* Packs message as the reply. */
int request_reply(struct request *request, const ProtobufCMessage *message) MUST_USE;
/* Tells the sessions that look at folder, once the request is back in the loop. */
void request_changed(struct request *request, uint64_t folder, uint64_t modseq, bool to_all);
/* True when the slice is over, or nobody wants the answer. */
bool request_slice_over(const struct request *request);
bool request_cancelled(const struct request *request);

/* STR_OF_BYTES the other way (borrowed). */
ProtobufCBinaryData packed_bytes(struct str s);

#endif
