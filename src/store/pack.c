#include "store/pack.h"

#include <stdlib.h>
#include <zstd.h>

#include "base/mem.h"
#include "base/must.h"
#include "db/db.h"

enum {
	LEVEL = 3,
	LEVEL_FAST = 1,
	LEVEL_READABLE = -7, /* literals stay as they are; see db_plain_asked */
	TRIAL_SIZE = 64 * 1024,
	WORK_MEMORY_KEPT = 1024 * 1024, /* buffers that one huge message made larger are given back */
};

extern const unsigned char dictionary_1[];
extern const size_t dictionary_1_size;

struct pack_tables {
	ZSTD_CDict *text, *fast;
	ZSTD_DDict *reading;
};

struct packer {
	const struct pack_tables *tables;
	ZSTD_CCtx *compressor; /* these two are NULL until there is work for them */
	ZSTD_DCtx *decompressor;
};

struct str pack_dictionary(void)
{
	return STR_OF(dictionary_1, dictionary_1_size);
}

struct pack_tables *pack_tables_new(void)
{
	struct pack_tables *tables = mem_new(sizeof(*tables));
	tables->text = ZSTD_createCDict(dictionary_1, dictionary_1_size, LEVEL);
	tables->fast = ZSTD_createCDict(dictionary_1, dictionary_1_size, LEVEL_FAST);
	tables->reading = ZSTD_createDDict(dictionary_1, dictionary_1_size);
	must(tables->text != NULL && tables->fast != NULL && tables->reading != NULL);
	return tables;
}

void pack_tables_free(struct pack_tables *tables)
{
	if (tables == NULL)
		return;
	ZSTD_freeCDict(tables->text);
	ZSTD_freeCDict(tables->fast);
	ZSTD_freeDDict(tables->reading);
	free(tables);
}

struct packer *packer_new(const struct pack_tables *tables)
{
	struct packer *packer = mem_new(sizeof(*packer));
	packer->tables = tables;
	return packer;
}

void packer_forget(struct packer *packer)
{
	ZSTD_freeCCtx(packer->compressor);
	ZSTD_freeDCtx(packer->decompressor);
	packer->compressor = NULL;
	packer->decompressor = NULL;
}

void packer_free(struct packer *packer)
{
	if (packer == NULL)
		return;
	packer_forget(packer);
	free(packer);
}

static ZSTD_CCtx *compressor(struct packer *packer)
{
	if (packer->compressor == NULL)
		packer->compressor = ZSTD_createCCtx();
	must(packer->compressor != NULL);
	return packer->compressor;
}

static ZSTD_DCtx *decompressor(struct packer *packer)
{
	if (packer->decompressor == NULL)
		packer->decompressor = ZSTD_createDCtx();
	must(packer->decompressor != NULL);
	return packer->decompressor;
}

/* zstd keeps the tables of the largest input that it saw. */
static void give_back_memory(struct packer *packer)
{
	if (ZSTD_sizeof_CCtx(packer->compressor) <= WORK_MEMORY_KEPT * 4)
		return;
	ZSTD_freeCCtx(packer->compressor);
	packer->compressor = NULL;
}

static size_t compress(struct packer *packer, enum pack_kind kind, char *to, size_t room,
                       struct str plain)
{
	if (db_plain_asked())
		return ZSTD_compressCCtx(compressor(packer), to, room, plain.ptr, plain.len,
		                         LEVEL_READABLE);
	switch (kind) {
	case PACK_TEXT:
		return ZSTD_compress_usingCDict(compressor(packer), to, room, plain.ptr, plain.len,
		                                packer->tables->text);
	case PACK_FAST:
		return ZSTD_compress_usingCDict(compressor(packer), to, room, plain.ptr, plain.len,
		                                packer->tables->fast);
	case PACK_DATA:
		break;
	}
	return ZSTD_compressCCtx(compressor(packer), to, room, plain.ptr, plain.len, LEVEL);
}

bool pack(struct packer *packer, enum pack_kind kind, struct str plain, struct buf *out)
{
	size_t room = ZSTD_compressBound(plain.len);
	char *to = buf_reserve(out, room);
	if (to == NULL)
		return false;
	size_t len = compress(packer, kind, to, room, plain);
	must(!ZSTD_isError(len)); /* with the bound's room only memory could be missing */
	out->len += len;
	give_back_memory(packer);
	return true;
}

bool pack_worthwhile(struct packer *packer, struct str plain)
{
	struct str beginning = str_slice(plain, 0, TRIAL_SIZE);
	size_t room = ZSTD_compressBound(beginning.len);
	char *to MEM_AUTO = mem_new(room);
	size_t len = ZSTD_compressCCtx(compressor(packer), to, room, beginning.ptr, beginning.len,
	                               LEVEL_FAST);
	return !ZSTD_isError(len) && len < beginning.len - beginning.len / 16;
}

int unpack(struct packer *packer, struct str frame, size_t max, struct buf *out,
           struct errinfo *info)
{
	unsigned long long size = ZSTD_getFrameContentSize(frame.ptr, frame.len);
	if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > max)
		return err_set(info, E_CORRUPT, "not a compressed frame of this mailbox");
	char *to = buf_reserve(out, (size_t)size);
	if (to == NULL)
		return err_set(info, E_TOO_LARGE, "stored data is larger than its limit");
	size_t len;
	if (ZSTD_getDictID_fromFrame(frame.ptr, frame.len) == 0)
		len = ZSTD_decompressDCtx(decompressor(packer), to, (size_t)size, frame.ptr, frame.len);
	else
		len = ZSTD_decompress_usingDDict(decompressor(packer), to, (size_t)size, frame.ptr,
		                                 frame.len, packer->tables->reading);
	if (ZSTD_isError(len) || len != size)
		return err_set(info, E_CORRUPT, "stored data does not decompress");
	out->len += len;
	return 0;
}
