#include "directory/address.h"

#include <string.h>
#include <unicode/uchar.h>
#include <unicode/uidna.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <unicode/utf8.h>

/* ---------------------------------------------------------------- domains */

static bool label_is_ldh(struct str label)
{
	if (label.len == 0 || label.len > 63 || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++)
		if (!ascii_is_alnum(label.ptr[i]) && label.ptr[i] != '-')
			return false;
	return true;
}

/* Letters, digits, hyphens and dots in labels of 1 to 63: what the DNS asks of a host name. */
static bool domain_is_ldh(struct str domain)
{
	if (domain.len == 0 || domain.len > ADDRESS_DOMAIN_MAX)
		return false;
	for (;;) {
		ptrdiff_t dot = str_find_byte(domain, '.');
		if (!label_is_ldh(dot < 0 ? domain : str_slice(domain, 0, (size_t)dot)))
			return false;
		if (dot < 0)
			return true;
		domain = str_from_byte(domain, (size_t)dot + 1);
	}
}

static bool last_label_is_number(struct str domain)
{
	ptrdiff_t dot = str_rfind_byte(domain, '.');
	struct str label = str_from_byte(domain, (size_t)(dot + 1));
	for (size_t i = 0; i < label.len; i++)
		if (!ascii_is_digit(label.ptr[i]))
			return false;
	return true;
}

/* Nearly every domain: ASCII, and no A-label whose content would need a check. */
static bool lower_plain(struct str domain, char *ret)
{
	if (domain.len > ADDRESS_DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < domain.len; i++) {
		if ((unsigned char)domain.ptr[i] >= 0x80)
			return false;
		ret[i] = ascii_lower(domain.ptr[i]);
	}
	ret[domain.len] = '\0';
	return str_find(STR_OF(ret, domain.len), STR("xn--")) < 0;
}

static bool to_ascii(struct str domain, char *ret)
{
	UErrorCode error = U_ZERO_ERROR;
	UIDNAInfo details = UIDNA_INFO_INITIALIZER;
	UIDNA *idna = uidna_openUTS46(UIDNA_USE_STD3_RULES | UIDNA_CHECK_BIDI | UIDNA_CHECK_CONTEXTJ |
	                                  UIDNA_NONTRANSITIONAL_TO_ASCII,
	                              &error);
	if (U_FAILURE(error))
		return false;
	int32_t len = uidna_nameToASCII_UTF8(idna, domain.ptr, (int32_t)domain.len, ret,
	                                     ADDRESS_DOMAIN_MAX + 1, &details, &error);
	uidna_close(idna);
	return U_SUCCESS(error) && details.errors == 0 && len > 0 && len <= ADDRESS_DOMAIN_MAX;
}

int domain_normalize(struct str domain, char ret[ADDRESS_DOMAIN_MAX + 1], struct errinfo *info)
{
	ret[0] = '\0';
	if (domain.len > 0 && domain.ptr[domain.len - 1] == '.')
		domain.len--;
	bool fine = domain.len > 0 && domain.len <= ADDRESS_INPUT_MAX &&
	            str_find_byte(domain, '\0') < 0 &&
	            (lower_plain(domain, ret) || to_ascii(domain, ret)) &&
	            domain_is_ldh(str_from(ret)) && !last_label_is_number(str_from(ret));
	if (fine)
		return 0;
	ret[0] = '\0';
	return err_set(info, E_INVALID, "not a domain name");
}

/* ---------------------------------------------------------------- local parts */

/* atext of RFC 5322 section 3.2.3, ASCII only */
static bool is_atext(unsigned char c)
{
	return ascii_is_alnum((char)c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Letters, marks, digits, punctuation, symbols: what can be seen and told apart in a list. Spaces,
 * controls, format characters (bidi overrides, zero-width joiners) and unassigned ones are out. */
static bool is_visible(UChar32 c)
{
	int8_t type = u_charType(c);
	return (U_GET_GC_MASK(c) &
	        (U_GC_L_MASK | U_GC_M_MASK | U_GC_N_MASK | U_GC_P_MASK | U_GC_S_MASK)) != 0 &&
	       type != U_UNASSIGNED && !u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT);
}

/* dot-atom-text, RFC 5322 section 3.2.3 with the UTF8-non-ascii of RFC 6531 section 3.3 */
static bool is_dot_atom(struct str local)
{
	if (local.len == 0 || local.len > INT32_MAX || local.ptr[0] == '.' ||
	    local.ptr[local.len - 1] == '.' || str_find(local, STR("..")) >= 0)
		return false;
	const uint8_t *bytes = (const uint8_t *)local.ptr;
	int32_t i = 0, len = (int32_t)local.len;
	while (i < len) {
		UChar32 c;
		U8_NEXT(bytes, i, len, c);
		if (c < 0 || (c < 0x80 ? !is_atext((unsigned char)c) && c != '.' : !is_visible(c)))
			return false;
	}
	return true;
}

static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] >= 0x80)
			return false;
	return true;
}

/* Lower case in normal form C (RFC 6532 section 3.1), so that every way to type a name finds it. Not
 * more: case folding and compatibility forms would make two names one that people tell apart, such as
 * "grüße" and "grüsse". */
static bool fold(struct str local, char ret[ADDRESS_LOCAL_MAX + 1])
{
	if (is_ascii(local)) {
		if (local.len > ADDRESS_LOCAL_MAX)
			return false;
		for (size_t i = 0; i < local.len; i++)
			ret[i] = ascii_lower(local.ptr[i]);
		ret[local.len] = '\0';
		return true;
	}
	UErrorCode error = U_ZERO_ERROR;
	UChar wide[ADDRESS_INPUT_MAX], folded[ADDRESS_INPUT_MAX];
	int32_t wide_len, folded_len, len;
	const UNormalizer2 *normalizer = unorm2_getNFCInstance(&error);
	u_strFromUTF8(wide, ADDRESS_INPUT_MAX, &wide_len, local.ptr, (int32_t)local.len, &error);
	folded_len = unorm2_normalize(normalizer, wide, wide_len, folded, ADDRESS_INPUT_MAX, &error);
	/* "": the rules of no language. */
	wide_len = u_strToLower(wide, ADDRESS_INPUT_MAX, folded, folded_len, "", &error);
	folded_len = unorm2_normalize(normalizer, wide, wide_len, folded, ADDRESS_INPUT_MAX, &error);
	u_strToUTF8(ret, ADDRESS_LOCAL_MAX + 1, &len, folded, folded_len, &error);
	/* What came out is held to the rules of what came in. */
	return U_SUCCESS(error) && error != U_STRING_NOT_TERMINATED_WARNING &&
	       is_dot_atom(STR_OF(ret, len)) && str_find_byte(STR_OF(ret, len), '+') < 0;
}

/* A quoted-string is the same address as what it quotes (RFC 5321 section 4.1.2). */
static struct str unquote(struct str local)
{
	if (local.len < 2 || local.ptr[0] != '"' || local.ptr[local.len - 1] != '"')
		return local;
	return str_slice(local, 1, local.len - 2);
}

static int local_normalize(struct str local, struct address *ret, struct errinfo *info)
{
	local = unquote(local);
	if (!is_dot_atom(local))
		return err_set(info, E_INVALID,
		               "the part before the @ has characters that are not allowed");
	ptrdiff_t plus = str_find_byte(local, '+');
	if (plus == 0)
		return err_set(info, E_INVALID, "the part before the @ begins with a +");
	ret->detailed = plus > 0;
	if (plus > 0)
		local.len = (size_t)plus;
	if (!is_dot_atom(local) || !fold(local, ret->local))
		return err_set(info, E_INVALID, "the part before the @ is too long or malformed");
	return 0;
}

int address_normalize(struct str address, struct address *ret, struct errinfo *info)
{
	memset(ret, 0, sizeof(*ret));
	ptrdiff_t at = str_rfind_byte(address, '@');
	if (address.len > ADDRESS_INPUT_MAX || at < 0)
		return err_set(info, E_INVALID, "not an address: local@domain is expected");
	int rc = domain_normalize(str_from_byte(address, (size_t)at + 1), ret->domain, info);
	if (rc != 0)
		return rc;
	rc = local_normalize(str_slice(address, 0, (size_t)at), ret, info);
	if (rc != 0)
		return rc;
	size_t local_len = strlen(ret->local), domain_len = strlen(ret->domain);
	memcpy(ret->text, ret->local, local_len);
	ret->text[local_len] = '@';
	memcpy(ret->text + local_len + 1, ret->domain, domain_len + 1);
	return 0;
}
