#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "directory/address.h"

/* Any bytes as an address: refused, or brought into a form that is its own and fits its fields. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct address once, twice;
	if (address_normalize(STR_OF(data, size), &once, NULL) != 0)
		return 0;
	must(once.local[0] != '\0' && once.domain[0] != '\0');
	must(strlen(once.text) == strlen(once.local) + 1 + strlen(once.domain));
	for (const char *p = once.text; *p != '\0'; p++)
		must((unsigned char)*p > ' ' && *p != 0x7f);
	must(address_normalize(str_from(once.text), &twice, NULL) == 0);
	must(strcmp(once.text, twice.text) == 0 && !twice.detailed);
	return 0;
}
