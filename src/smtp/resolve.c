#include "smtp/resolve.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/map.h"
#include "base/mem.h"
#include "directory.pb-c.h"

struct kept {
	TAILQ_ENTRY(kept) age;
	char *address;
	int64_t until_ms;
	struct smtp_target target;
};

struct smtp_resolver {
	struct loop *loop;
	struct link *directory;
	struct map *kept; /* by address; values are owned */
	TAILQ_HEAD(kept_answers, kept) oldest;
};

struct smtp_resolving {
	struct smtp_resolver *resolver;
	struct link_call *call;
	char *address;
	void (*done)(void *ctx, enum smtp_reply_id reply, const struct smtp_target *target);
	void *ctx;
};

struct smtp_resolver *smtp_resolver_new(struct loop *loop, struct link *directory)
{
	struct smtp_resolver *resolver = mem_new(sizeof(*resolver));

	resolver->loop = loop;
	resolver->directory = directory;
	resolver->kept = map_new();
	TAILQ_INIT(&resolver->oldest);
	return resolver;
}

static void drop(struct smtp_resolver *resolver, struct kept *kept)
{
	map_remove(resolver->kept, str_from(kept->address));
	TAILQ_REMOVE(&resolver->oldest, kept, age);
	free(kept->address);
	free(kept);
}

void smtp_resolver_clear(struct smtp_resolver *resolver)
{
	struct kept *kept, *next;

	for (kept = TAILQ_FIRST(&resolver->oldest); kept != NULL; kept = next) {
		next = TAILQ_NEXT(kept, age);
		drop(resolver, kept);
	}
}

void smtp_resolver_free(struct smtp_resolver *resolver)
{
	if (resolver == NULL)
		return;
	smtp_resolver_clear(resolver);
	map_free(resolver->kept);
	free(resolver);
}

bool smtp_resolve_kept(struct smtp_resolver *resolver, struct str address, int64_t now_ms,
                       struct smtp_target *ret)
{
	struct kept *kept, *next;

	for (kept = TAILQ_FIRST(&resolver->oldest); kept != NULL && kept->until_ms <= now_ms;
	     kept = next) {
		next = TAILQ_NEXT(kept, age);
		drop(resolver, kept);
	}
	kept = map_get(resolver->kept, address);
	if (kept == NULL)
		return false;
	*ret = kept->target;
	return true;
}

static void keep(struct smtp_resolver *resolver, const char *address,
                 const struct smtp_target *target)
{
	struct kept *kept = map_get(resolver->kept, str_from(address));

	if (kept != NULL)
		drop(resolver, kept);
	if (map_count(resolver->kept) >= SMTP_RESOLVE_MAX)
		drop(resolver, TAILQ_FIRST(&resolver->oldest));
	kept = mem_new(sizeof(*kept));
	kept->address = str_dup(str_from(address));
	kept->target = *target;
	kept->until_ms = loop_now_ms(resolver->loop) + SMTP_RESOLVE_MEMORY_MS;
	map_put(resolver->kept, str_from(kept->address), kept);
	TAILQ_INSERT_TAIL(&resolver->oldest, kept, age);
}

static enum smtp_reply_id mailbox_found(const Pk__ResolveReply *reply, struct smtp_target *ret)
{
	struct str mailbox = str_from(reply->mailbox);

	if (reply->public_key.len == 0)
		return SMTP_REPLY_RECIPIENT_NOT_READY;
	if (mailbox.len == 0 || mailbox.len > SMTP_MAILBOX_MAX ||
	    reply->public_key.len != SMTP_KEY_SIZE)
		return SMTP_REPLY_TRY_LATER;
	memcpy(ret->mailbox, mailbox.ptr, mailbox.len);
	memcpy(ret->public_key, reply->public_key.data, SMTP_KEY_SIZE);
	ret->quota_bytes = reply->quota_bytes;
	return SMTP_REPLY_RECIPIENT_OK;
}

static enum smtp_reply_id read_reply(struct str body, struct smtp_target *ret)
{
	ProtobufCMessage *message = link_unpack(&pk__resolve_reply__descriptor, body, WIRE_ITEMS_FEW);
	const Pk__ResolveReply *reply = (const Pk__ResolveReply *)message;
	enum smtp_reply_id answer = SMTP_REPLY_TRY_LATER;

	if (reply == NULL)
		return SMTP_REPLY_TRY_LATER;
	switch ((int)reply->kind) {
	case PK__RESOLVE_REPLY__KIND__UNKNOWN:
		answer = SMTP_REPLY_RECIPIENT_UNKNOWN;
		break;
	case PK__RESOLVE_REPLY__KIND__MAILBOX:
		answer = mailbox_found(reply, ret);
		break;
	case PK__RESOLVE_REPLY__KIND__DISABLED:
		answer = SMTP_REPLY_RECIPIENT_DISABLED;
		break;
	case PK__RESOLVE_REPLY__KIND__FOREIGN:
		answer = SMTP_REPLY_RELAY;
		break;
	default:
		break;
	}
	protobuf_c_message_free_unpacked(message, NULL);
	return answer;
}

static void resolving_free(struct smtp_resolving *resolving)
{
	free(resolving->address);
	free(resolving);
}

/* An address that the directory finds malformed is nobody's. That nobody has an address is said in a
 * reply: a file or table that the directory misses is its own trouble. */
static enum smtp_reply_id of_error(int error)
{
	if (error == E_INVALID)
		return SMTP_REPLY_RECIPIENT_UNKNOWN;
	return SMTP_REPLY_TRY_LATER;
}

static void answered(void *ctx, int error, struct str text, struct str body)
{
	struct smtp_resolving *resolving = ctx;
	struct smtp_target target = {0};
	enum smtp_reply_id reply = error != 0 ? of_error(error) : read_reply(body, &target);

	(void)text;
	if (reply == SMTP_REPLY_RECIPIENT_OK)
		keep(resolving->resolver, resolving->address, &target);
	resolving->done(resolving->ctx, reply, &target);
	resolving_free(resolving);
}

struct smtp_resolving *smtp_resolve(
	struct smtp_resolver *resolver, struct str address, struct link_patience *patience,
	void (*done)(void *ctx, enum smtp_reply_id reply, const struct smtp_target *target), void *ctx)
{
	struct smtp_resolving *resolving = mem_new(sizeof(*resolving));
	Pk__ResolveRequest body = PK__RESOLVE_REQUEST__INIT;
	struct link_request request = {
		.method = PK__DIRECTORY_METHOD__DIRECTORY_RESOLVE,
		.body = &body.base,
		.kind = LINK_IDEMPOTENT,
		.patience = patience,
		.ctx = resolving,
		.reply = answered,
	};

	resolving->resolver = resolver;
	resolving->address = str_dup(address);
	resolving->done = done;
	resolving->ctx = ctx;
	body.address = resolving->address;
	resolving->call = link_call(resolver->directory, &request);
	return resolving;
}

void smtp_resolve_cancel(struct smtp_resolving *resolving)
{
	link_call_cancel(resolving->call);
	resolving_free(resolving);
}
