#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("bench-load: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	_exit(1);
}

int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static SSL_CTX *tls_context(void)
{
	static SSL_CTX *context;
	static int once;

	while (__atomic_load_n(&context, __ATOMIC_ACQUIRE) == NULL) {
		if (__atomic_exchange_n(&once, 1, __ATOMIC_ACQ_REL) == 0) {
			SSL_CTX *made = SSL_CTX_new(TLS_client_method());

			if (made == NULL)
				die("no TLS context");
			SSL_CTX_set_mode(made, SSL_MODE_RELEASE_BUFFERS);
			__atomic_store_n(&context, made, __ATOMIC_RELEASE);
		}
		usleep(100);
	}
	return context;
}

struct wire *wire_new(int port, bool tls)
{
	struct wire *wire = malloc(sizeof(*wire));
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	if (wire == NULL)
		die("out of memory");
	wire->ssl = NULL;
	wire->start = wire->end = 0;
	wire->read_bytes = 0;
	wire->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (wire->fd < 0 || connect(wire->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		die("connect to port %d: %s", port, strerror(errno));
	setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if (tls) {
		wire->ssl = SSL_new(tls_context());
		if (wire->ssl == NULL || SSL_set_fd(wire->ssl, wire->fd) != 1 ||
		    SSL_connect(wire->ssl) != 1)
			die("TLS handshake with port %d failed", port);
	}
	return wire;
}

void wire_free(struct wire *wire)
{
	if (wire->ssl != NULL) {
		SSL_shutdown(wire->ssl);
		SSL_free(wire->ssl);
	}
	close(wire->fd);
	free(wire);
}

void wire_write(struct wire *wire, const void *ptr, size_t len)
{
	const char *p = ptr;

	while (len > 0) {
		ssize_t n = wire->ssl != NULL ? SSL_write(wire->ssl, p, len > 65536 ? 65536 : (int)len)
		                              : write(wire->fd, p, len);

		if (n <= 0)
			die("write failed: %s", strerror(errno));
		p += n;
		len -= (size_t)n;
	}
}

void wire_printf(struct wire *wire, const char *format, ...)
{
	char text[2048];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(text))
		die("line too long");
	wire_write(wire, text, (size_t)len);
}

static void fill(struct wire *wire)
{
	ssize_t n;

	if (wire->start > 0) {
		memmove(wire->buffer, wire->buffer + wire->start, wire->end - wire->start);
		wire->end -= wire->start;
		wire->start = 0;
	}
	n = wire->ssl != NULL
	        ? SSL_read(wire->ssl, wire->buffer + wire->end, (int)(sizeof(wire->buffer) - wire->end))
	        : read(wire->fd, wire->buffer + wire->end, sizeof(wire->buffer) - wire->end);
	if (n <= 0)
		die("the server closed the connection");
	wire->end += (size_t)n;
	wire->read_bytes += (uint64_t)n;
}

char *wire_line(struct wire *wire, size_t *ret_len)
{
	size_t looked = 0;

	for (;;) {
		char *from = wire->buffer + wire->start;
		size_t have = wire->end - wire->start;
		char *lf = memchr(from + looked, '\n', have - looked);
		size_t len;

		if (lf == NULL && have < sizeof(wire->buffer)) {
			looked = have;
			fill(wire);
			continue;
		}
		if (lf == NULL)
			die("a line longer than %zu bytes", have);
		len = (size_t)(lf - from);
		wire->start += len + 1;
		if (len > 0 && from[len - 1] == '\r')
			len--;
		from[len] = '\0';
		if (ret_len != NULL)
			*ret_len = len;
		return from;
	}
}

void wire_skip(struct wire *wire, size_t len)
{
	for (;;) {
		size_t have = wire->end - wire->start;

		if (have >= len) {
			wire->start += len;
			return;
		}
		len -= have;
		wire->start = wire->end = 0;
		fill(wire);
	}
}
