#include "store/transfer.h"

#include <string.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { LINE_MIN = 4 };

/* ---------------------------------------------------------------- reading */

static size_t alphabet_run(struct str text)
{
	size_t n = 0;
	while (n < text.len &&
	       (ascii_is_alnum(text.ptr[n]) || text.ptr[n] == '+' || text.ptr[n] == '/'))
		n++;
	return n;
}

static unsigned line_end_at(struct str text, size_t position)
{
	if (position < text.len && text.ptr[position] == '\n')
		return 1;
	if (position + 1 < text.len && text.ptr[position] == '\r' && text.ptr[position + 1] == '\n')
		return 2;
	return 0;
}

/* The first line decides what is regular. */
static bool find_shape(struct str text, struct base64_shape *ret)
{
	size_t run = alphabet_run(text);
	ret->line_end = line_end_at(text, run);
	ret->line_size = run;
	if (ret->line_end == 0 || run % 4 != 0) {
		/* One line, which may end with padding. */
		ret->line_end = 0;
		for (int pad = 0; pad < 2 && run < text.len && text.ptr[run] == '='; pad++)
			run++;
		ret->line_size = run - run % 4;
	}
	return ret->line_size >= LINE_MIN;
}

/* Characters that decode on their own at the start of text, at most max: whole quanta, padding only
 * in the last one. */
static size_t quanta_at(struct str text, size_t max)
{
	struct str line = str_slice(text, 0, max);
	size_t run = alphabet_run(line);
	if (run % 4 >= 2) {
		size_t padded = run - run % 4 + 4, pad = run;
		while (pad < padded && pad < line.len && line.ptr[pad] == '=')
			pad++;
		if (pad == padded)
			return padded;
	}
	return run - run % 4;
}

enum { NO = 0xff };
struct decode_table {
	unsigned char value[256];
};

static void decode_table_init(struct decode_table *table)
{
	memset(table->value, NO, sizeof(table->value));
	for (unsigned i = 0; i < 64; i++)
		table->value[(unsigned char)alphabet[i]] = (unsigned char)i;
}

/* Whole quanta without padding; false at a byte outside the alphabet. */
static bool decode_quanta(const struct decode_table *table, const unsigned char *in, size_t len,
                          unsigned char *out)
{
	unsigned bad = 0;
	for (size_t i = 0; i < len; i += 4, out += 3) {
		unsigned a = table->value[in[i]], b = table->value[in[i + 1]];
		unsigned c = table->value[in[i + 2]], d = table->value[in[i + 3]];
		bad |= a | b | c | d;
		uint32_t n = a << 18 | b << 12 | c << 6 | d;
		out[0] = (unsigned char)(n >> 16);
		out[1] = (unsigned char)(n >> 8);
		out[2] = (unsigned char)n;
	}
	return (bad & 0xc0) == 0;
}

/* The last quantum of text may be padded. Unused bits are not looked at: the comparison of what
 * comes out again is. */
static bool decode_line(const struct decode_table *table, struct str line, struct buf *out)
{
	unsigned char *to = (unsigned char *)buf_reserve(out, line.len / 4 * 3);
	if (to == NULL || line.len == 0)
		return line.len == 0;
	size_t pad = line.ptr[line.len - 1] != '=' ? 0 : line.ptr[line.len - 2] != '=' ? 1 : 2;
	size_t whole = pad > 0 ? line.len - 4 : line.len;
	if (!decode_quanta(table, (const unsigned char *)line.ptr, whole, to))
		return false;
	out->len += whole / 4 * 3;
	if (pad > 0) {
		unsigned char last[4], bytes[3];
		memcpy(last, line.ptr + whole, 4);
		memset(last + 4 - pad, 'A', pad);
		if (!decode_quanta(table, last, 4, bytes))
			return false;
		buf_add(out, bytes, 3 - pad);
	}
	return true;
}

/* Writes it all again, piece by piece, beside the original. */
static bool writes_the_same(const struct base64_shape *shape, struct str text, struct str decoded)
{
	char piece[16 * 1024];
	for (uint64_t at = 0; at < shape->encoded_size;) {
		size_t room = sizeof(piece);
		if (room > shape->encoded_size - at)
			room = (size_t)(shape->encoded_size - at);
		size_t n = base64_lines_write(shape, at, decoded, 0, true, piece, room);
		if (n == 0 || memcmp(piece, text.ptr + at, n) != 0)
			return false;
		at += n;
	}
	return true;
}

bool base64_lines_read(struct str text, struct base64_shape *ret, struct buf *out)
{
	if (!find_shape(text, ret))
		return false;
	struct decode_table table;
	decode_table_init(&table);
	size_t before = out->len, at = 0, end = 0;
	for (;;) {
		struct str rest = str_from_byte(text, at);
		size_t size = (size_t)ret->line_size, step = size + ret->line_end;
		bool full = rest.len > step && line_end_at(rest, size) == ret->line_end;
		if (full && decode_line(&table, str_slice(rest, 0, size), out) &&
		    rest.ptr[size - 1] != '=') {
			end = at + size;
			at += step;
			if (ret->line_end > 0)
				continue;
			break;
		}
		/* The last line, or the end of what is regular; decode_line may have added before it
		 * failed, so the length follows from what was taken. */
		out->len = before + (size_t)((at / (step == 0 ? 1 : step)) * (size / 4 * 3));
		size_t last = quanta_at(rest, size);
		if (last > 0 && decode_line(&table, str_slice(rest, 0, last), out))
			end = at + last;
		break;
	}
	ret->encoded_size = end;
	if (end > 0 && !out->failed &&
	    writes_the_same(ret, text, STR_OF(out->ptr + before, out->len - before)))
		return true;
	out->len = before;
	return false;
}

/* ---------------------------------------------------------------- writing */

uint64_t base64_lines_source(const struct base64_shape *shape, uint64_t offset)
{
	uint64_t step = shape->line_size + shape->line_end;
	uint64_t column = offset % step;
	if (column > shape->line_size)
		column = shape->line_size;
	return (offset / step * shape->line_size + column) / 4 * 3;
}

static void encode_triple(const unsigned char in[3], char out[4])
{
	uint32_t n = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
	out[0] = alphabet[n >> 18];
	out[1] = alphabet[n >> 12 & 63];
	out[2] = alphabet[n >> 6 & 63];
	out[3] = alphabet[n & 63];
}

#ifdef __x86_64__
/* Twelve bytes to sixteen characters at a time. The four 6-bit fields of each triple are moved into
 * bytes of their own by two multiplications, and become characters by adding an offset that depends
 * on the range they are in: A-Z, a-z, 0-9, +, /. Reads 16 bytes for every 12. */
__attribute__((target("ssse3"))) static size_t encode_vectors(const unsigned char *in, size_t left,
                                                              char *to, size_t room)
{
	const __m128i order = _mm_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
	const __m128i offsets = _mm_setr_epi8('a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
	                                      '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
	                                      '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0);
	size_t done = 0;
	for (; left >= 16 && room - done >= 16; in += 12, left -= 12, done += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)in);
		bytes = _mm_shuffle_epi8(bytes, order);
		__m128i high = _mm_mulhi_epu16(_mm_and_si128(bytes, _mm_set1_epi32(0x0fc0fc00)),
		                               _mm_set1_epi32(0x04000040));
		__m128i low = _mm_mullo_epi16(_mm_and_si128(bytes, _mm_set1_epi32(0x003f03f0)),
		                              _mm_set1_epi32(0x01000010));
		__m128i values = _mm_or_si128(high, low);
		__m128i range = _mm_subs_epu8(values, _mm_set1_epi8(51));
		__m128i capital = _mm_cmpgt_epi8(_mm_set1_epi8(26), values);
		range = _mm_or_si128(range, _mm_and_si128(capital, _mm_set1_epi8(13)));
		__m128i text = _mm_add_epi8(values, _mm_shuffle_epi8(offsets, range));
		_mm_storeu_si128((__m128i *)(void *)(to + done), text);
	}
	return done;
}
#endif

/* As many characters of whole triples as go fast; a multiple of 4. */
static size_t encode_fast(const unsigned char *in, size_t left, char *to, size_t room)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("ssse3"))
		return encode_vectors(in, left, to, room);
#endif
	(void)in;
	(void)left;
	(void)to;
	(void)room;
	return 0;
}

/* The quantum of what is left of source at its end. */
static void encode_last(const unsigned char *in, size_t left, char out[4])
{
	unsigned char last[3] = {in[0], left > 1 ? in[1] : 0, left > 2 ? in[2] : 0};
	encode_triple(last, out);
	if (left < 3)
		out[3] = '=';
	if (left < 2)
		out[2] = '=';
}

/* Characters of one line from column on; source begins at the quantum of column. Returns how many of
 * count could be written. */
static size_t write_characters(struct str source, bool source_is_end, size_t within, char *to,
                               size_t count)
{
	const unsigned char *in = (const unsigned char *)source.ptr;
	size_t left = source.len, done = 0;
	if (within == 0) {
		done = encode_fast(in, left, to, count);
		in += done / 4 * 3;
		left -= done / 4 * 3;
	}
	while (done < count) {
		if (left == 0 || (left < 3 && !source_is_end))
			break;
		if (within == 0 && left >= 3 && count - done >= 4) {
			encode_triple(in, to + done);
			done += 4;
		} else {
			char quantum[4];
			encode_last(in, left, quantum);
			size_t n = 4 - within < count - done ? 4 - within : count - done;
			memcpy(to + done, quantum + within, n);
			done += n;
			within = 0;
		}
		size_t used = left < 3 ? left : 3;
		in += used;
		left -= used;
	}
	return done;
}

size_t base64_lines_write(const struct base64_shape *shape, uint64_t offset, struct str source,
                          uint64_t source_offset, bool source_is_end, char *ret, size_t room)
{
	uint64_t step = shape->line_size + shape->line_end;
	size_t done = 0;
	while (done < room && offset < shape->encoded_size) {
		size_t want = room - done;
		if (want > shape->encoded_size - offset)
			want = (size_t)(shape->encoded_size - offset);
		uint64_t column = offset % step;
		size_t n = 0;
		if (column < shape->line_size) {
			uint64_t from = base64_lines_source(shape, offset) - source_offset;
			if (want > shape->line_size - column)
				want = (size_t)(shape->line_size - column);
			if (from < source.len)
				n = write_characters(str_from_byte(source, (size_t)from), source_is_end,
				                     (size_t)(column % 4), ret + done, want);
			if (n == 0)
				break;
		} else {
			bool carriage_return = shape->line_end == 2 && column == shape->line_size;
			ret[done] = carriage_return ? '\r' : '\n';
			n = 1;
		}
		done += n;
		offset += n;
	}
	return done;
}
