#include "main/expiry.h"

#include "base/mem.h"
#include "net/certificate.h"

enum { DAY_S = 24 * 60 * 60 };

static int64_t days_between(int64_t from_s, int64_t to_s)
{
	int64_t left = to_s - from_s;
	return left >= 0 ? left / DAY_S : -((-left + DAY_S - 1) / DAY_S);
}

size_t expiry_list(const struct settings *settings, int64_t now_s, struct expiry ret[EXPIRY_MAX])
{
	const struct {
		const char *option;
		const struct buf *text;
	} all[EXPIRY_MAX] = {
		{"tls_certificate_file", &settings->tls_certificate},
		{"link_tls_certificate_file", &settings->link_certificate},
		{"link_tls_ca_file", &settings->link_ca},
	};
	size_t count = 0;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct expiry *expiry = &ret[count];
		struct errinfo unused;
		if (all[i].text->len == 0 ||
		    certificate_not_after(buf_str(all[i].text), &expiry->not_after_s, &unused) != 0)
			continue;
		expiry->option = all[i].option;
		expiry->path = config_text(settings->config, all[i].option);
		expiry->days = days_between(now_s, expiry->not_after_s);
		expiry->soon = expiry->days < EXPIRY_WARN_DAYS;
		count++;
	}
	return count;
}

void expiry_sentence(const struct expiry *expiry, struct buf *out)
{
	buf_addf(out, "%s: %s: ", expiry->option, expiry->path);
	if (expiry->days < 0)
		buf_addf(out, "has expired, %lld days ago", (long long)-expiry->days - 1);
	else
		buf_addf(out, "expires in %lld days", (long long)expiry->days);
}

void expiry_look(const struct settings *settings, const struct log *log, int64_t now_ms,
                 int64_t now_s, int64_t *due_ms)
{
	struct expiry list[EXPIRY_MAX];
	if (now_ms < *due_ms)
		return;
	size_t count = expiry_list(settings, now_s, list);
	for (size_t i = 0; i < count; i++) {
		bool over = list[i].days < 0;
		if (list[i].soon)
			log_write_fields(log, over ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN,
			                 over ? "supervisor.certificate_expired"
			                      : "supervisor.certificate_expires",
			                 F_TEXT("option", list[i].option), F_TEXT("file", list[i].path),
			                 F_INT("days", list[i].days));
	}
	*due_ms = now_ms + EXPIRY_LOOK_MS;
}
