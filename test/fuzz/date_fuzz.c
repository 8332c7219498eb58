/* A date in each of its forms: what is read, is written and read again as the same. */

#include <stdint.h>
#include <stdlib.h>

#include "mail/date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = STR_OF(data, size);
	int64_t seconds, again, days;
	int zone, zone_again;
	if (mail_date_parse(text, &seconds, &zone)) {
		char written[MAIL_DATE_SIZE];
		mail_date_format(seconds, zone, written);
		if (!mail_date_parse(str_from(written), &again, &zone_again))
			abort();
		/* but for the first and the last day that can be written */
		bool at_an_end = seconds < -62167000000 || seconds > 253402000000;
		if ((again != seconds || zone != zone_again) && !at_an_end)
			abort();
	}
	if (mail_imap_date_time_parse(text, &seconds, &zone)) {
		char written[MAIL_IMAP_DATE_SIZE];
		mail_imap_date_time_format(seconds, zone, written);
		if (!mail_imap_date_time_parse(str_from(written), &again, &zone_again))
			abort();
	}
	if (mail_imap_date_parse(text, &days) && (days < -800000 || days > 3000000))
		abort();
	return 0;
}
