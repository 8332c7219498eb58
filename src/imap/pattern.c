#include "imap/pattern.h"

/* A place to go back to: the last wildcard, and how much of the name it stands for so far. */
struct retry {
	bool set;
	size_t pattern; /* behind the wildcard */
	size_t name;
};

static bool same(char a, char b, bool nocase)
{
	return a == b || (nocase && ascii_lower(a) == ascii_lower(b));
}

/* The last "*" and, behind it, the last "%" may each stand for one character more; earlier ones need
 * never be tried again, because what follows them has matched at the earliest place. */
bool imap_pattern_matches(struct str pattern, struct str name)
{
	size_t inbox = str_eq(name, STR("INBOX")) || str_starts(name, STR("INBOX/")) ? 5 : 0;
	struct retry star = {0}, percent = {0};
	size_t p = 0, n = 0;
	while (n < name.len || p < pattern.len) {
		char c = p < pattern.len ? pattern.ptr[p] : '\0';
		if (p < pattern.len && c == '*') {
			star = (struct retry){true, ++p, n};
			percent.set = false;
		} else if (p < pattern.len && c == '%') {
			percent = (struct retry){true, ++p, n};
		} else if (p < pattern.len && n < name.len && same(c, name.ptr[n], n < inbox)) {
			p++;
			n++;
		} else if (percent.set && percent.name < name.len && name.ptr[percent.name] != '/') {
			p = percent.pattern;
			n = ++percent.name;
		} else if (star.set && star.name < name.len) {
			p = star.pattern;
			n = ++star.name;
			percent.set = false;
		} else {
			return false;
		}
	}
	return true;
}

bool imap_pattern_allowed(struct str pattern)
{
	size_t wildcards = 0;
	for (size_t i = 0; i < pattern.len; i++)
		wildcards += pattern.ptr[i] == '*' || pattern.ptr[i] == '%';
	return wildcards <= IMAP_PATTERN_WILDCARDS_MAX;
}
