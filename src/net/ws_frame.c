#include "net/ws_frame.h"

#include <string.h>

#include "base/must.h"

enum { LEN_16 = 126, LEN_64 = 127, FIN = 0x80, MASKED = 0x80 };

bool ws_is_control(uint8_t opcode)
{
	return (opcode & 8) != 0;
}

/* The bytes of the length after the second byte. */
static size_t extended(const struct ws_frame_head *head)
{
	unsigned len = head->bytes[1] & 0x7f;
	return len == LEN_64 ? 8 : len == LEN_16 ? 2 : 0;
}

static size_t size_of(const struct ws_frame_head *head)
{
	if (head->len < 2)
		return 2;
	return 2 + extended(head) + ((head->bytes[1] & MASKED) != 0 ? WS_MASK_SIZE : 0);
}

static int parse(const struct ws_frame_head *head, struct ws_frame *ret)
{
	const unsigned char *bytes = head->bytes;
	size_t more = extended(head);
	*ret = (struct ws_frame){
		.fin = (bytes[0] & FIN) != 0,
		.masked = (bytes[1] & MASKED) != 0,
		.reserved = (bytes[0] >> 4) & 7,
		.opcode = bytes[0] & 0x0f,
		.len = more == 0 ? bytes[1] & 0x7f : 0,
	};
	for (size_t i = 0; i < more; i++)
		ret->len = ret->len << 8 | bytes[2 + i];
	if (ret->masked)
		memcpy(ret->mask, bytes + 2 + more, WS_MASK_SIZE);
	if ((more == 2 && ret->len < LEN_16) || (more == 8 && ret->len <= UINT16_MAX) ||
	    ret->len > INT64_MAX)
		return E_INVALID;
	return ws_is_control(ret->opcode) && (!ret->fin || ret->len > WS_CONTROL_MAX) ? E_INVALID : 0;
}

int ws_frame_read(struct ws_frame_head *head, struct str *input, struct ws_frame *ret)
{
	for (size_t size = size_of(head); head->len < size; size = size_of(head)) {
		size_t take = size - head->len < input->len ? size - head->len : input->len;
		if (take == 0)
			return E_AGAIN;
		memcpy(head->bytes + head->len, input->ptr, take);
		head->len += take;
		*input = str_from_byte(*input, take);
	}
	int error = parse(head, ret);
	head->len = 0;
	return error;
}

size_t ws_frame_write(const struct ws_frame *frame, unsigned char ret[WS_FRAME_HEAD_MAX])
{
	must(frame->len <= INT64_MAX);
	size_t more = frame->len > UINT16_MAX ? 8 : frame->len >= LEN_16 ? 2 : 0;
	unsigned first = more == 8 ? LEN_64 : more == 2 ? LEN_16 : (unsigned)frame->len;
	ret[0] = (unsigned char)((frame->fin ? FIN : 0) | (frame->reserved & 7) << 4 |
	                         (frame->opcode & 0x0f));
	ret[1] = (unsigned char)((frame->masked ? MASKED : 0) | first);
	for (size_t i = 0; i < more; i++)
		ret[2 + i] = (unsigned char)(frame->len >> 8 * (more - 1 - i));
	if (!frame->masked)
		return 2 + more;
	memcpy(ret + 2 + more, frame->mask, WS_MASK_SIZE);
	return 2 + more + WS_MASK_SIZE;
}

/* Eight bytes at a time: a message of 50 KB byte by byte took as long as compressing a third of it. */
void ws_mask(const unsigned char mask[WS_MASK_SIZE], uint64_t at, const char *from, char *to,
             size_t len)
{
	unsigned char key[sizeof(uint64_t)];
	uint64_t word, bytes;
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = mask[(at + i) % WS_MASK_SIZE];
	memcpy(&word, key, sizeof(word));
	size_t i = 0;
	for (; len - i >= sizeof(bytes); i += sizeof(bytes)) {
		memcpy(&bytes, from + i, sizeof(bytes));
		bytes ^= word;
		memcpy(to + i, &bytes, sizeof(bytes));
	}
	for (; i < len; i++)
		to[i] = (char)((unsigned char)from[i] ^ key[i % sizeof(key)]);
}
