#include "net/link_repeat.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/must.h"
#include "crypto/seal.h"

enum { KEY_MAX = 128 };

struct repeat {
	TAILQ_ENTRY(repeat) link; /* in finished */
	char key[KEY_MAX];
	size_t key_len;
	void *owner;
	int error;
	int64_t finished_ms;
	bool secret;
	struct str text, body; /* owned, in one block at text.ptr; a secret body in a box */
};

struct repeat_memory {
	struct map *map;
	TAILQ_HEAD(, repeat) finished; /* oldest first */
	size_t bytes, bytes_max;
	int64_t keep_ms;
	struct secret *key; /* for secret bodies; NULL until there is one */
};

static size_t cost(const struct repeat *repeat)
{
	return sizeof(*repeat) + repeat->text.len + repeat->body.len;
}

static void forget(struct repeat_memory *memory, struct repeat *repeat)
{
	map_remove(memory->map, STR_OF(repeat->key, repeat->key_len));
	if (repeat->owner == NULL) {
		TAILQ_REMOVE(&memory->finished, repeat, link);
		memory->bytes -= cost(repeat);
		free((char *)repeat->text.ptr);
	}
	free(repeat);
}

static void shrink(struct repeat_memory *memory, int64_t now_ms)
{
	struct repeat *oldest;
	while ((oldest = TAILQ_FIRST(&memory->finished)) != NULL &&
	       (memory->bytes > memory->bytes_max || oldest->finished_ms + memory->keep_ms < now_ms))
		forget(memory, oldest);
}

struct repeat_memory *repeat_memory_new(size_t bytes_max, int64_t keep_ms)
{
	struct repeat_memory *memory = mem_new(sizeof(*memory));
	memory->map = map_new();
	TAILQ_INIT(&memory->finished);
	memory->bytes_max = bytes_max;
	memory->keep_ms = keep_ms;
	return memory;
}

void repeat_memory_free(struct repeat_memory *memory)
{
	if (memory == NULL)
		return;
	size_t position = 0;
	struct str key;
	void *value;
	while (map_next(memory->map, &position, &key, &value))
		forget(memory, value);
	map_free(memory->map);
	secret_free(memory->key);
	free(memory);
}

static struct str key_of(char ret[KEY_MAX], const char *role, struct str id)
{
	struct str name = str_slice(str_from(role), 0, KEY_MAX / 2);
	id = str_slice(id, 0, KEY_MAX / 2 - 1);
	memcpy(ret, name.ptr, name.len);
	ret[name.len] = '\0';
	if (id.len > 0)
		memcpy(ret + name.len + 1, id.ptr, id.len);
	return STR_OF(ret, name.len + 1 + id.len);
}

struct repeat *repeat_find(struct repeat_memory *memory, const char *role, struct str id,
                           int64_t now_ms)
{
	char key[KEY_MAX];
	shrink(memory, now_ms);
	return map_get(memory->map, key_of(key, role, id));
}

struct repeat *repeat_begin(struct repeat_memory *memory, const char *role, struct str id,
                            void *owner)
{
	struct repeat *repeat = mem_new(sizeof(*repeat));
	repeat->key_len = key_of(repeat->key, role, id).len;
	repeat->owner = owner;
	map_put(memory->map, STR_OF(repeat->key, repeat->key_len), repeat);
	return repeat;
}

void *repeat_owner(const struct repeat *repeat)
{
	return repeat->owner;
}

static void get_key(const struct repeat_memory *memory, struct key32 *ret)
{
	memcpy(ret->bytes, secret_open(memory->key), sizeof(ret->bytes));
	secret_close(memory->key);
}

static void seal_body(struct repeat_memory *memory, struct str body, struct buf *ret)
{
	struct key32 key KEY32_AUTO;
	if (memory->key == NULL) {
		key32_random(&key);
		memory->key = secret_new(key.bytes, sizeof(key.bytes));
		must(memory->key != NULL); /* one page */
	}
	get_key(memory, &key);
	int rc = box_seal(&key, STR(""), body, ret);
	must(rc == 0);
}

void repeat_finish(struct repeat_memory *memory, struct repeat *repeat, int error, struct str text,
                   struct str body, bool secret, int64_t now_ms)
{
	struct buf sealed BUF_AUTO;
	buf_init(&sealed, SIZE_MAX); /* a little more than body, which is bounded */
	if (secret) {
		seal_body(memory, body, &sealed);
		body = buf_str(&sealed);
	}
	repeat->secret = secret;
	char *block = mem_new(text.len + body.len);
	if (text.len > 0)
		memcpy(block, text.ptr, text.len);
	if (body.len > 0)
		memcpy(block + text.len, body.ptr, body.len);
	repeat->owner = NULL;
	repeat->error = error;
	repeat->finished_ms = now_ms;
	repeat->text = STR_OF(block, text.len);
	repeat->body = STR_OF(block + text.len, body.len);
	TAILQ_INSERT_TAIL(&memory->finished, repeat, link);
	memory->bytes += cost(repeat);
	shrink(memory, now_ms);
}

int repeat_reply(const struct repeat_memory *memory, const struct repeat *repeat,
                 struct str *ret_text, struct buf *ret_body)
{
	*ret_text = repeat->text;
	ret_body->secret = repeat->secret;
	if (repeat->secret) {
		struct key32 key KEY32_AUTO;
		get_key(memory, &key);
		int rc = box_open(&key, STR(""), repeat->body, ret_body);
		must(rc == 0);
	} else {
		buf_add_str(ret_body, repeat->body);
	}
	return repeat->error;
}
