#include "net/ws_http.h"

#include <openssl/sha.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"

/* ---------------------------------------------------------------- writing */

void ws_http_accept(struct str key, char ret[WS_HTTP_ACCEPT_SIZE])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char digest[SHA_DIGEST_LENGTH];
	struct buf text BUF_AUTO;
	buf_init(&text, WS_HTTP_MAX);
	buf_add_str(&text, key);
	buf_add(&text, guid, sizeof(guid) - 1);
	SHA1((const unsigned char *)text.ptr, text.len, digest);
	buf_clear(&text);
	base64_encode(&text, STR_OF(digest, sizeof(digest)), 0, STR(""));
	memcpy(ret, text.ptr, WS_HTTP_ACCEPT_SIZE);
}

void ws_http_put_request(struct buf *out, struct str host, struct str key)
{
	buf_addf(out,
	         "GET " WS_HTTP_PATH " HTTP/1.1\r\n"
	         "Host: %.*s\r\n"
	         "Upgrade: websocket\r\n"
	         "Connection: Upgrade\r\n"
	         "Sec-WebSocket-Key: %.*s\r\n"
	         "Sec-WebSocket-Version: 13\r\n"
	         "Sec-WebSocket-Protocol: " WS_HTTP_PROTOCOL "\r\n"
	         "\r\n",
	         STR_ARG(host), STR_ARG(key));
}

void ws_http_put_response(struct buf *out, struct str key)
{
	char accept[WS_HTTP_ACCEPT_SIZE];
	ws_http_accept(key, accept);
	buf_addf(out,
	         "HTTP/1.1 101 Switching Protocols\r\n"
	         "Upgrade: websocket\r\n"
	         "Connection: Upgrade\r\n"
	         "Sec-WebSocket-Accept: %.*s\r\n"
	         "Sec-WebSocket-Protocol: " WS_HTTP_PROTOCOL "\r\n"
	         "\r\n",
	         WS_HTTP_ACCEPT_SIZE, accept);
}

void ws_http_put_refusal(struct buf *out, int status)
{
	static const struct {
		int status;
		const char *words;
	} reasons[] = {
		{400, "Bad Request"},
		{426, "Upgrade Required"},
		{431, "Request Header Fields Too Large"},
	};
	const char *words = reasons[0].words;
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].status == status)
			words = reasons[i].words;
	buf_addf(out, "HTTP/1.1 %d %s\r\n", status, words);
	if (status == 426)
		buf_add_text(out, "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n");
	buf_add_text(out, "Connection: close\r\nContent-Length: 0\r\n\r\n");
}

/* ---------------------------------------------------------------- reading */

enum header {
	HEADER_HOST,
	HEADER_UPGRADE,
	HEADER_CONNECTION,
	HEADER_KEY,
	HEADER_VERSION,
	HEADER_PROTOCOL,
	HEADER_EXTENSIONS,
	HEADER_ACCEPT,
	HEADER_COUNT,
};

struct headers {
	struct str value[HEADER_COUNT];
	bool seen[HEADER_COUNT];
};

static int header_of(struct str name)
{
	static const char *const names[HEADER_COUNT] = {
		"Host",
		"Upgrade",
		"Connection",
		"Sec-WebSocket-Key",
		"Sec-WebSocket-Version",
		"Sec-WebSocket-Protocol",
		"Sec-WebSocket-Extensions",
		"Sec-WebSocket-Accept",
	};
	for (int i = 0; i < HEADER_COUNT; i++)
		if (str_eq_nocase(name, str_from(names[i])))
			return i;
	return -1;
}

/* tchar                                            RFC 9110 section 5.6.2 */
static bool is_token_char(char c)
{
	return ascii_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_value_char(char c)
{
	return (unsigned char)c >= 0x20 ? c != 0x7f : c == '\t';
}

static bool crlf(struct cursor *c)
{
	return cursor_text(c, STR("\r\n"));
}

/* field-line = field-name ":" OWS field-value OWS         RFC 9112 section 5 */
static bool header_line(struct cursor *c, struct headers *headers)
{
	struct str name;
	struct str value = {NULL, 0};
	if (!cursor_span(c, is_token_char, &name) || !cursor_byte(c, ':'))
		return false;
	(void)cursor_span(c, is_value_char, &value);
	if (!crlf(c))
		return false;
	int header = header_of(name);
	if (header < 0)
		return true;
	if (headers->seen[header])
		return false;
	headers->seen[header] = true;
	headers->value[header] = str_trim(value);
	return true;
}

static bool header_lines(struct cursor *c, struct headers *headers)
{
	for (int i = 0; i <= WS_HTTP_HEADERS_MAX; i++) {
		if (crlf(c))
			return true;
		if (i == WS_HTTP_HEADERS_MAX || !header_line(c, headers))
			return false;
	}
	return false;
}

/* Whether word is one of the comma-separated words of list. */
static bool has_word(struct str list, struct str word, bool nocase)
{
	while (list.len > 0) {
		ptrdiff_t comma = str_find_byte(list, ',');
		struct str one = str_trim(comma < 0 ? list : str_slice(list, 0, (size_t)comma));
		if (nocase ? str_eq_nocase(one, word) : str_eq(one, word))
			return true;
		if (comma < 0)
			return false;
		list = str_from_byte(list, (size_t)comma + 1);
	}
	return false;
}

/* The end of the head, or E_AGAIN, or E_TOO_LARGE. */
static int find_end(struct str input, size_t *ret_size, struct errinfo *info)
{
	ptrdiff_t end = str_find(str_slice(input, 0, WS_HTTP_MAX), STR("\r\n\r\n"));
	if (end >= 0) {
		*ret_size = (size_t)end + 4;
		return 0;
	}
	if (input.len >= WS_HTTP_MAX)
		return err_set(info, E_TOO_LARGE, "handshake: too large");
	return E_AGAIN;
}

static int refuse(int *ret_status, int status, struct errinfo *info, const char *reason)
{
	*ret_status = status;
	return err_set(info, E_INVALID, "handshake: %s", reason);
}

static bool is_key(struct str key)
{
	struct buf bytes BUF_AUTO;
	buf_init(&bytes, WS_HTTP_KEY_SIZE);
	return key.len == WS_HTTP_KEY_SIZE && base64_decode(&bytes, key) && bytes.len == 16;
}

static int check_request(const struct headers *h, int *ret_status, struct errinfo *info)
{
	if (!h->seen[HEADER_HOST])
		return refuse(ret_status, 400, info, "no Host");
	if (!has_word(h->value[HEADER_UPGRADE], STR("websocket"), true) ||
	    !has_word(h->value[HEADER_CONNECTION], STR("upgrade"), true))
		return refuse(ret_status, 426, info, "no upgrade");
	if (!str_eq(h->value[HEADER_VERSION], STR("13")))
		return refuse(ret_status, 426, info, "unknown version");
	if (!is_key(h->value[HEADER_KEY]))
		return refuse(ret_status, 400, info, "bad key");
	if (!has_word(h->value[HEADER_PROTOCOL], STR(WS_HTTP_PROTOCOL), false))
		return refuse(ret_status, 400, info, "unknown subprotocol");
	return 0;
}

int ws_http_parse_request(struct str input, size_t *ret_size, struct str *ret_key, int *ret_status,
                          struct errinfo *info)
{
	/* Whoever does not begin as a client of ours does is told so without waiting for more. */
	static const char line[] = "GET " WS_HTTP_PATH " HTTP/1.1\r\n";
	size_t begin = input.len < sizeof(line) - 1 ? input.len : sizeof(line) - 1;
	if (!str_eq(str_slice(input, 0, begin), STR_OF(line, begin)))
		return refuse(ret_status, 400, info, "not a request for this service");
	int error = find_end(input, ret_size, info);
	if (error == E_TOO_LARGE)
		*ret_status = 431;
	if (error != 0)
		return error;
	struct headers headers = {0};
	struct cursor c = cursor_of(str_slice(input, 0, *ret_size));
	if (!cursor_text(&c, STR_OF(line, sizeof(line) - 1)) || !header_lines(&c, &headers) ||
	    !cursor_at_end(&c))
		return refuse(ret_status, 400, info, "bad header");
	error = check_request(&headers, ret_status, info);
	if (error == 0)
		*ret_key = headers.value[HEADER_KEY];
	return error;
}

int ws_http_parse_response(struct str input, struct str key, size_t *ret_size, struct errinfo *info)
{
	int error = find_end(input, ret_size, info);
	if (error != 0)
		return error;
	struct headers h = {0};
	struct str words;
	struct cursor c = cursor_of(str_slice(input, 0, *ret_size));
	if (!cursor_text(&c, STR("HTTP/1.1 101 ")))
		return err_set(info, E_INVALID, "handshake: refused");
	(void)cursor_span(&c, is_value_char, &words);
	if (!crlf(&c) || !header_lines(&c, &h) || !cursor_at_end(&c))
		return err_set(info, E_INVALID, "handshake: bad header");
	char accept[WS_HTTP_ACCEPT_SIZE];
	ws_http_accept(key, accept);
	if (!has_word(h.value[HEADER_UPGRADE], STR("websocket"), true) ||
	    !has_word(h.value[HEADER_CONNECTION], STR("upgrade"), true))
		return err_set(info, E_INVALID, "handshake: no upgrade");
	if (!str_eq(h.value[HEADER_ACCEPT], STR_OF(accept, sizeof(accept))))
		return err_set(info, E_INVALID, "handshake: wrong accept value");
	if (!str_eq(h.value[HEADER_PROTOCOL], STR(WS_HTTP_PROTOCOL)) ||
	    h.value[HEADER_EXTENSIONS].len > 0)
		return err_set(info, E_INVALID, "handshake: wrong subprotocol or extension");
	return 0;
}
