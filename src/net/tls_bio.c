#include "net/tls_bio.h"

#include <errno.h>
#include <event2/buffer.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/must.h"

static int bio_write(BIO *bio, const char *bytes, int len)
{
	struct tls_bio *below = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	if (evbuffer_add(below->wire, bytes, (size_t)len) != 0)
		return -1;
	return len;
}

static int bio_read(BIO *bio, char *ret, int len)
{
	struct tls_bio *below = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	if (below->at_eof)
		return 0;
	if (!below->dry) {
		ssize_t got = recv(below->fd, ret, (size_t)len, 0);
		below->dry = got < (ssize_t)len;
		if (got > 0)
			return (int)got;
		if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
			below->at_eof = true;
			return 0;
		}
	}
	BIO_set_retry_read(bio);
	return -1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)number;
	(void)pointer;
	struct tls_bio *below = BIO_get_data(bio);
	switch (command) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_EOF:
		return below->at_eof;
	default:
		return 0;
	}
}

static BIO_METHOD *bio_method; /* written once, by make_bio_method */

static void make_bio_method(void)
{
	bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "postkasse stream");
	must(bio_method != NULL);
	BIO_meth_set_write(bio_method, bio_write);
	BIO_meth_set_read(bio_method, bio_read);
	BIO_meth_set_ctrl(bio_method, bio_ctrl);
}

BIO *tls_bio_new(struct tls_bio *below)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, make_bio_method);
	BIO *bio = BIO_new(bio_method);
	must(bio != NULL);
	BIO_set_data(bio, below);
	BIO_set_init(bio, 1);
	return bio;
}
