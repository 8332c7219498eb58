#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

enum {
	WHOLE_SIZE = 5000, /* a path, and a sentence */
	END_SIZE = 90,     /* of what is too long; the cause stands at the end */
};

/* The middle gives way: a long name must not push the cause out of sight. */
__attribute__((format(printf, 3, 0))) static void shorten(char *text, size_t size,
                                                          const char *format, va_list args)
{
	char whole[WHOLE_SIZE];
	int len = vsnprintf(whole, sizeof(whole), format, args);
	struct str all = STR_OF(whole, len < (int)sizeof(whole) ? len : (int)sizeof(whole) - 1);
	struct str end = str_from_byte(all, all.len - END_SIZE);
	while (end.len > 0 && ((unsigned char)end.ptr[0] & 0xc0) == 0x80)
		end = str_from_byte(end, 1);
	struct str start = utf8_cut(all, size - END_SIZE - sizeof("..."));
	snprintf(text, size, "%.*s...%.*s", STR_ARG(start), STR_ARG(end));
}

int err_set(struct errinfo *info, int error, const char *format, ...)
{
	if (info == NULL)
		return error;
	info->error = error;
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	if (vsnprintf(info->text, sizeof(info->text), format, args) >= (int)sizeof(info->text))
		shorten(info->text, sizeof(info->text), format, again);
	va_end(again);
	va_end(args);
	utf8_disarm(info->text, strlen(info->text), "");
	return error;
}

const char *err_name(int error)
{
	static const char *const names[] = {
		"ok",          "invalid",     "too_large", "limit",    "not_found", "exists",  "denied",
		"unavailable", "timeout",     "io",        "no_space", "quota",     "corrupt", "stale",
		"cancelled",   "unsupported", "busy",      "internal", "again",
	};
	if (error > 0 || error < E_LAST)
		return "unknown";
	return names[-error];
}

int err_from_errno(int errnum)
{
	switch (errnum) {
	case 0:
		return E_OK;
	case ENOSPC:
	case EDQUOT:
		return E_NO_SPACE;
	case ENOENT:
		return E_NOT_FOUND;
	case EEXIST:
		return E_EXISTS;
	case EACCES:
	case EPERM:
		return E_DENIED;
	case ETIMEDOUT:
		return E_TIMEOUT;
	case ECONNREFUSED:
	case ECONNRESET:
	case EPIPE:
		return E_UNAVAILABLE;
	default:
		return E_IO;
	}
}
