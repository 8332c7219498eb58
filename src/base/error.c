#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

int err_set(struct errinfo *info, int error, const char *format, ...)
{
	if (info == NULL)
		return error;
	info->error = error;
	va_list args;
	va_start(args, format);
	vsnprintf(info->text, sizeof(info->text), format, args);
	va_end(args);
	for (char *c = info->text; *c != '\0'; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
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
