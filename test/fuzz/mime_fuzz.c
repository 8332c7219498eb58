/* A message: its description must keep every rule of test/unit/mail/grammar.h. */

#include <stdint.h>
#include <stdlib.h>

#include "mail/describe.h"
#include "mail/encoding.h"

#include "../unit/mail/grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(MAIL_DESCRIBE_ARENA);
	struct str raw = STR_OF(data, size);
	const Pk__Description *d = mail_describe(raw, arena);
	const char *why = d == NULL ? "the arena is full" : check_description(raw, d);
	if (why != NULL) {
		fprintf(stderr, "mime: %s\n", why);
		abort();
	}
	for (size_t i = 0; i < d->n_parts; i++) {
		const Pk__Part *part = d->parts[i];
		struct buf out BUF_AUTO;
		buf_init(&out, size + 16);
		int error = mail_decode(&out, str_slice(raw, part->body_offset, part->body_size),
		                        part->encoding);
		if (error != 0 && part->encoding != PK__PART__ENCODING__OTHER)
			abort(); /* nothing decodes to more than it is long */
	}
	arena_free(arena);
	return 0;
}
