#ifndef POSTKASSE_NET_WS_FRAME_H
#define POSTKASSE_NET_WS_FRAME_H

/*
 * Frames of WebSocket (RFC 6455 section 5.2): their heads, in whatever pieces they come, and masking.
 * Pure functions; which frames may follow each other is for the connection (ws.h) to know.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum {
	WS_FRAME_HEAD_MAX = 14,
	WS_MASK_SIZE = 4,
	WS_CONTROL_MAX = 125, /* RFC 6455 section 5.5 */
};

/* RFC 6455 section 11.8; the others have no meaning yet. */
enum ws_opcode {
	WS_CONTINUATION = 0,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10,
};

struct ws_frame {
	bool fin, masked;
	uint8_t reserved; /* three bits */
	uint8_t opcode;   /* four bits, maybe none of enum ws_opcode */
	uint64_t len;     /* of the payload */
	unsigned char mask[WS_MASK_SIZE];
};

/* What has come of a head; all zero before its first byte. */
struct ws_frame_head {
	unsigned char bytes[WS_FRAME_HEAD_MAX];
	size_t len;
};

/* RFC 6455 section 5.5: such a frame may stand between the fragments of a message. */
bool ws_is_control(uint8_t opcode);

/* Takes the bytes of one head off *input and is ready for the next: 0, E_AGAIN when all of *input is taken
 * and more is needed, E_INVALID for a length that is not written in the shortest way or too large, and for
 * a control frame that is longer than WS_CONTROL_MAX or a fragment. */
int ws_frame_read(struct ws_frame_head *head, struct str *input, struct ws_frame *ret) MUST_USE;

/* Writes the head of frame, len is below 2^63; returns its size. */
size_t ws_frame_write(const struct ws_frame *frame, unsigned char ret[WS_FRAME_HEAD_MAX]);

/* Masks or unmasks len bytes, which stand at offset at of their payload; to may be from. */
void ws_mask(const unsigned char mask[WS_MASK_SIZE], uint64_t at, const char *from, char *to,
             size_t len);

#endif
