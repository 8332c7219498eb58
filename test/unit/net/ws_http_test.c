/* The opening handshake of WebSocket: the RFC's own example, every refusal, every cut. */

#include "net/ws_http.h"

#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

static void accept_test(void **state)
{
	(void)state;
	char accept[WS_HTTP_ACCEPT_SIZE]; /* RFC 6455 section 1.3 */
	ws_http_accept(STR(KEY), accept);
	assert_memory_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", WS_HTTP_ACCEPT_SIZE);
}

static void round_trip_test(void **state)
{
	(void)state;
	struct buf wire BUF_AUTO;
	struct str key;
	size_t size;
	int status = 0;
	buf_init(&wire, WS_HTTP_MAX);
	ws_http_put_request(&wire, STR("localhost"), STR(KEY));
	for (size_t len = 0; len < wire.len; len++)
		assert_int_equal(ws_http_parse_request(STR_OF(wire.ptr, len), &size, &key, &status, NULL),
		                 E_AGAIN);
	size_t whole = wire.len;
	buf_add_text(&wire, "next bytes");
	assert_int_equal(ws_http_parse_request(buf_str(&wire), &size, &key, &status, NULL), 0);
	assert_int_equal(size, whole);
	assert_true(str_eq(key, STR(KEY)));
	buf_clear(&wire);
	ws_http_put_response(&wire, key);
	for (size_t len = 0; len < wire.len; len++)
		assert_int_equal(ws_http_parse_response(STR_OF(wire.ptr, len), STR(KEY), &size, NULL),
		                 E_AGAIN);
	assert_int_equal(ws_http_parse_response(buf_str(&wire), STR(KEY), &size, NULL), 0);
	assert_int_equal(size, wire.len);
	assert_int_equal(
		ws_http_parse_response(buf_str(&wire), STR("AAAAAAAAAAAAAAAAAAAAAA=="), &size, NULL),
		E_INVALID);
}

#define GET "GET /link HTTP/1.1\r\n"
#define REST                                                                      \
	"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " KEY "\r\n" \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: postkasse.1\r\n"

static void request_test(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int error, status;
	} cases[] = {
		{GET "Host: x\r\n" REST "\r\n", 0, 0},
		{GET "hOST:x\r\nUPGRADE:\tWebSocket \r\nConnection: keep-alive, upgrade\r\n"
	         "Sec-WebSocket-Key:" KEY "\r\nSec-WebSocket-Version:13\r\nX-Other: \xc3\xb8\r\n"
	         "Sec-WebSocket-Protocol: chat, postkasse.1\r\n\r\n",
	     0, 0},
		{"POST /link HTTP/1.1\r\n", E_INVALID, 400},
		{"GET / HTTP/1.1\r\n", E_INVALID, 400},
		{"GET /link HTTP/1.0\r\n", E_INVALID, 400},
		{"\x16\x03\x01\x02", E_INVALID, 400}, /* TLS where none is spoken */
		{GET REST "\r\n", E_INVALID, 400},    /* no Host */
		{GET "Host: x\r\nHost: y\r\n" REST "\r\n", E_INVALID, 400},
		{GET "Host: x\n" REST "\r\n", E_INVALID, 400},
		{GET "Host: x\r\n folded\r\n" REST "\r\n", E_INVALID, 400},
		{GET "Host : x\r\n" REST "\r\n", E_INVALID, 400},
		{GET "Host: x\r\nno colon\r\n" REST "\r\n", E_INVALID, 400},
		{GET "Host: x\r\nA: \x01\r\n" REST "\r\n", E_INVALID, 400},
		{GET "Host: x\r\n\r\n", E_INVALID, 426},
		{GET "Host: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", E_INVALID, 426},
		{GET
	     "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n\r\n",
	     E_INVALID, 426},
		{GET "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	         "Sec-WebSocket-Protocol: postkasse.1\r\n\r\n",
	     E_INVALID, 400},
		{GET "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	         "Sec-WebSocket-Key: c2hvcnQ=\r\nSec-WebSocket-Protocol: postkasse.1\r\n\r\n",
	     E_INVALID, 400},
		{GET "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	         "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Protocol: postkasse.2\r\n\r\n",
	     E_INVALID, 400},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct errinfo info = {0};
		struct str key;
		size_t size;
		int status = 0;
		int error = ws_http_parse_request(str_from(cases[i].text), &size, &key, &status, &info);
		if (error != cases[i].error || status != cases[i].status)
			print_error("case %zu: %d %d %s\n", i, error, status, info.text);
		assert_int_equal(error, cases[i].error);
		assert_int_equal(status, cases[i].status);
		if (error == 0)
			continue;
		struct buf refusal BUF_AUTO;
		buf_init(&refusal, WS_HTTP_MAX);
		ws_http_put_refusal(&refusal, cases[i].status);
		assert_true(str_starts(buf_str(&refusal), STR("HTTP/1.1 4")));
	}
}

static void limit_test(void **state)
{
	(void)state;
	struct buf wire BUF_AUTO;
	struct str key;
	size_t size;
	int status = 0;
	buf_init(&wire, 2 * WS_HTTP_MAX);
	buf_add_text(&wire, GET "Host: x\r\nA: ");
	while (wire.len < WS_HTTP_MAX)
		buf_add_byte(&wire, 'a');
	assert_int_equal(ws_http_parse_request(buf_str(&wire), &size, &key, &status, NULL),
	                 E_TOO_LARGE);
	assert_int_equal(status, 431);
	buf_clear(&wire);
	buf_add_text(&wire, GET "Host: x\r\n");
	for (int i = 0; i <= WS_HTTP_HEADERS_MAX; i++)
		buf_add_text(&wire, "A: b\r\n");
	buf_add_text(&wire, REST "\r\n");
	assert_int_equal(ws_http_parse_request(buf_str(&wire), &size, &key, &status, NULL), E_INVALID);
}

static void response_test(void **state)
{
	(void)state;
#define OK_HEAD     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
#define OK_ACCEPT   "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define OK_PROTOCOL "Sec-WebSocket-Protocol: postkasse.1\r\n"
	static const struct {
		const char *text;
		int error;
	} cases[] = {
		{OK_HEAD OK_ACCEPT OK_PROTOCOL "\r\n", 0},
		{"HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" OK_ACCEPT OK_PROTOCOL
	     "\r\n",
	     0},
		{"HTTP/1.1 400 Bad Request\r\n\r\n", E_INVALID},
		{"HTTP/1.1 200 OK\r\n" OK_ACCEPT OK_PROTOCOL "\r\n", E_INVALID},
		{OK_HEAD OK_PROTOCOL "\r\n", E_INVALID},
		{OK_HEAD OK_ACCEPT "\r\n", E_INVALID},
		{OK_HEAD OK_ACCEPT OK_ACCEPT OK_PROTOCOL "\r\n", E_INVALID},
		{OK_HEAD OK_ACCEPT OK_PROTOCOL "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
	     E_INVALID},
		{"HTTP/1.1 101 x\r\n" OK_ACCEPT OK_PROTOCOL "\r\n", E_INVALID},
		{OK_HEAD OK_ACCEPT OK_PROTOCOL, E_AGAIN},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t size;
		assert_int_equal(ws_http_parse_response(str_from(cases[i].text), STR(KEY), &size, NULL),
		                 cases[i].error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accept_test),   cmocka_unit_test(round_trip_test),
		cmocka_unit_test(request_test),  cmocka_unit_test(limit_test),
		cmocka_unit_test(response_test),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
