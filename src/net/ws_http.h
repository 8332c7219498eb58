#ifndef POSTKASSE_NET_WS_HTTP_H
#define POSTKASSE_NET_WS_HTTP_H

/*
 * The opening handshake of WebSocket (RFC 6455 section 4), as text in and text out. Strict: lines end
 * with CRLF, no folded headers, GET /link and the subprotocol postkasse.1 and nothing else. Pure
 * functions.
 */

#include "base/str.h"

#define WS_HTTP_PATH     "/link"
#define WS_HTTP_PROTOCOL "postkasse.1"

enum {
	WS_HTTP_MAX = 4096, /* bytes of a request or response */
	WS_HTTP_HEADERS_MAX = 32,
	WS_HTTP_KEY_SIZE = 24,    /* base64 of 16 random bytes */
	WS_HTTP_ACCEPT_SIZE = 28, /* base64 of a SHA-1 */
};

/* Sec-WebSocket-Accept for a Sec-WebSocket-Key, section 4.2.2. */
void ws_http_accept(struct str key, char ret[WS_HTTP_ACCEPT_SIZE]);

/* Appends the client's request; key is the base64 of 16 random bytes. */
void ws_http_put_request(struct buf *out, struct str host, struct str key);
/* Appends the server's answer to a request with that key. */
void ws_http_put_response(struct buf *out, struct str key);
/* Appends the answer to a request that was refused with status (400, 426, 431). */
void ws_http_put_refusal(struct buf *out, int status);

/* Reads a request from the start of input: E_AGAIN while it is incomplete (E_TOO_LARGE past
 * WS_HTTP_MAX), else 0 with its size and key, or E_INVALID with the reason in info and the status to
 * refuse it with. */
int ws_http_parse_request(struct str input, size_t *ret_size, struct str *ret_key, int *ret_status,
                          struct errinfo *info) MUST_USE;
/* Likewise the response to a request that was made with key. */
int ws_http_parse_response(struct str input, struct str key, size_t *ret_size,
                           struct errinfo *info) MUST_USE;

#endif
