#include <stdlib.h>

#include "base/must.h"
#include "front/scram.h"

/* The first byte chooses what was offered; then client-first-message, a newline, and
 * client-final-message, in which our half of the nonce is "S" and the channel is "data". */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scram scram;
	struct buf name BUF_AUTO, message BUF_AUTO;
	unsigned char proof[KEY_SIZE];
	buf_init(&name, SCRAM_NAME_MAX);
	buf_init(&message, (size_t)4 * SCRAM_MESSAGE_MAX);
	if (size == 0)
		return 0;
	struct str input = STR_OF(data + 1, size - 1);
	ptrdiff_t split = str_find_byte(input, '\n');
	struct str first = split < 0 ? input : str_slice(input, 0, (size_t)split);
	struct str final = split < 0 ? STR("") : str_from_byte(input, (size_t)split + 1);
	scram_init(&scram);
	if (scram_client_first(&scram, first, (data[0] & 1) != 0, (data[0] & 2) != 0, &name, NULL) ==
	    0) {
		must(name.len > 0 && !name.failed && str_find_byte(buf_str(&name), '\0') < 0);
		buf_add_text(&scram.nonce, "S");
		buf_add_text(&scram.server_first, "r=S,s=AAAA,i=4096");
		struct str channel = scram.binding == SCRAM_BINDING_NONE ? STR("") : STR("data");
		if (scram_client_final(&scram, final, channel, &message, proof, NULL) == 0)
			must(!message.failed &&
			     str_starts(buf_str(&message), buf_str(&scram.client_first_bare)));
	}
	scram_done(&scram);
	return 0;
}
