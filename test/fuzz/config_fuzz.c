#include <stdlib.h>

#include "base/config.h"
#include "base/must.h"

/* Whatever the file says, it is read or refused; what was read comes out and goes in again the same,
 * as it does on its way to another process. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *config = config_new(), *copy = config_new();
	struct buf first BUF_AUTO, second BUF_AUTO;
	struct errinfo info;
	buf_init(&first, 16 << 20);
	buf_init(&second, 16 << 20);
	if (config_parse(config, "fuzz", STR_OF(data, size), &info) == 0) {
		config_print(config, &first);
		must(config_parse(copy, "copy", buf_str(&first), &info) == 0);
		config_print(copy, &second);
		must(str_eq(buf_str(&first), buf_str(&second)));
	}
	config_free(config);
	config_free(copy);
	return 0;
}
