/* An address list: groups pair, nothing is longer than the list, no NUL comes out. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "mail/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct str s, size_t max)
{
	if (s.len > max || (s.len > 0 && memchr(s.ptr, '\0', s.len) != NULL))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str value = STR_OF(data, size);
	struct mail_address_reader reader;
	struct mail_address a;
	bool in_group = false;
	size_t count = 0;
	mail_address_reader_init(&reader, value);
	while (mail_address_next(&reader, &a)) {
		/* names get blanks between words that had none */
		check(a.name, 2 * size);
		check(a.route, size);
		check(a.local, size);
		check(a.domain, size);
		if (a.kind != MAIL_ADDRESS_MAILBOX && in_group == (a.kind == MAIL_ADDRESS_GROUP_START))
			abort();
		if (a.kind != MAIL_ADDRESS_MAILBOX)
			in_group = a.kind == MAIL_ADDRESS_GROUP_START;
		if (++count > 2 * size + 1)
			abort();
	}
	if (in_group)
		abort();
	mail_address_reader_done(&reader);

	struct buf key BUF_AUTO;
	buf_init(&key, size * 3 + 16);
	mail_address_sort_key(&key, value);
	if (!utf8_valid(buf_str(&key)))
		abort();
	return 0;
}
