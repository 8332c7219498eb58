#ifndef POSTKASSE_BENCH_WIRE_H
#define POSTKASSE_BENCH_WIRE_H

/*
 * A load generator's connection: blocking, plain or TLS, lines and byte counts. One thread each. What
 * goes wrong ends the program with a message: a benchmark with errors is no benchmark.
 */

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire {
	int fd;
	SSL *ssl;
	size_t start, end; /* of what is unread in the buffer */
	uint64_t read_bytes;
	char buffer[1024 * 1024];
};

/* Prints and ends the program. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
int64_t now_us(void);

/* To 127.0.0.1:port. The certificate is not checked. */
struct wire *wire_new(int port, bool tls);
void wire_free(struct wire *wire);
void wire_write(struct wire *wire, const void *ptr, size_t len);
void wire_printf(struct wire *wire, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The next line, without its end, NUL-terminated; valid until the next call. *ret_len may be NULL. */
char *wire_line(struct wire *wire, size_t *ret_len);
/* Reads past len bytes. */
void wire_skip(struct wire *wire, size_t len);

#endif
