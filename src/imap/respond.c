#include "imap/respond.h"

#include "base/mem.h"

static const struct {
	int error;
	struct imap_response command, login, target;
} table[] = {
	/* clang-format off */
	{E_INVALID,
	 {IMAP_NO, "CANNOT", "That is not possible"},
	 {IMAP_BAD, NULL, "Malformed authentication"},
	 {IMAP_NO, "CANNOT", "That is not possible"}},
	{E_TOO_LARGE,
	 {IMAP_NO, "TOOBIG", "Too large"},
	 {IMAP_BAD, NULL, "Authentication line too long"},
	 {IMAP_NO, "TOOBIG", "Message too large"}},
	{E_LIMIT,
	 {IMAP_NO, "LIMIT", "A limit was reached"},
	 {IMAP_NO, "LIMIT", "Too many connections or attempts, try again later"},
	 {IMAP_NO, "LIMIT", "A limit was reached"}},
	{E_NOT_FOUND,
	 {IMAP_NO, "NONEXISTENT", "No such mailbox"},
	 {IMAP_NO, "UNAVAILABLE", "The mailbox is not ready"},
	 {IMAP_NO, "TRYCREATE", "No such mailbox"}},
	{E_EXISTS,
	 {IMAP_NO, "ALREADYEXISTS", "There is such a mailbox already"},
	 {IMAP_NO, "SERVERBUG", "Internal error"},
	 {IMAP_NO, "ALREADYEXISTS", "There already"}},
	{E_DENIED,
	 {IMAP_NO, "NOPERM", "Not allowed"},
	 {IMAP_NO, "AUTHENTICATIONFAILED", "Wrong address or password"},
	 {IMAP_NO, "NOPERM", "Not allowed"}},
	{E_UNAVAILABLE,
	 {IMAP_NO, "UNAVAILABLE", "Temporarily unavailable"},
	 {IMAP_NO, "UNAVAILABLE", "Temporarily unavailable"},
	 {IMAP_NO, "UNAVAILABLE", "Temporarily unavailable"}},
	{E_TIMEOUT,
	 {IMAP_NO, "UNAVAILABLE", "That took too long"},
	 {IMAP_NO, "UNAVAILABLE", "That took too long"},
	 {IMAP_NO, "UNAVAILABLE", "That took too long"}},
	{E_IO,
	 {IMAP_NO, "UNAVAILABLE", "The storage does not work"},
	 {IMAP_NO, "UNAVAILABLE", "The storage does not work"},
	 {IMAP_NO, "UNAVAILABLE", "The storage does not work"}},
	{E_NO_SPACE,
	 {IMAP_NO, "UNAVAILABLE", "The storage is full"},
	 {IMAP_NO, "UNAVAILABLE", "The storage is full"},
	 {IMAP_NO, "UNAVAILABLE", "The storage is full"}},
	{E_QUOTA,
	 {IMAP_NO, "OVERQUOTA", "Quota exceeded"},
	 {IMAP_NO, "OVERQUOTA", "Quota exceeded"},
	 {IMAP_NO, "OVERQUOTA", "Quota exceeded"}},
	{E_CORRUPT,
	 {IMAP_NO, "CORRUPTION", "The mailbox is damaged"},
	 {IMAP_NO, "CORRUPTION", "The mailbox is damaged"},
	 {IMAP_NO, "CORRUPTION", "The mailbox is damaged"}},
	{E_STALE,
	 {IMAP_NO, "UNAVAILABLE", "Temporarily unavailable"},
	 {IMAP_NO, "UNAVAILABLE", "Temporarily unavailable"},
	 {IMAP_NO, "UNAVAILABLE", "Temporarily unavailable"}},
	{E_CANCELLED,
	 {IMAP_NO, "UNAVAILABLE", "Interrupted"},
	 {IMAP_BAD, NULL, "Authentication cancelled"},
	 {IMAP_NO, "UNAVAILABLE", "Interrupted"}},
	{E_UNSUPPORTED,
	 {IMAP_NO, "CANNOT", "Not supported"},
	 {IMAP_NO, "CANNOT", "No such mechanism"},
	 {IMAP_NO, "CANNOT", "Not supported"}},
	{E_BUSY,
	 {IMAP_NO, "INUSE", "In use"},
	 {IMAP_NO, "INUSE", "In use"},
	 {IMAP_NO, "INUSE", "In use"}},
	{E_INTERNAL,
	 {IMAP_NO, "SERVERBUG", "Internal error"},
	 {IMAP_NO, "SERVERBUG", "Internal error"},
	 {IMAP_NO, "SERVERBUG", "Internal error"}},
	/* clang-format on */
};

const struct imap_response *imap_response_for(int error, enum imap_failure failure)
{
	size_t at = 0;
	while (at < ARRAY_LEN(table) - 1 && table[at].error != error)
		at++;
	if (failure == IMAP_FAILED_LOGIN)
		return &table[at].login;
	return failure == IMAP_FAILED_TARGET ? &table[at].target : &table[at].command;
}

bool imap_response_may_say(int error, enum imap_failure failure)
{
	static const int about_the_question[] = {E_INVALID, E_TOO_LARGE,   E_LIMIT, E_NOT_FOUND,
	                                         E_EXISTS,  E_UNSUPPORTED, E_QUOTA, E_DENIED};
	for (size_t i = 0; i < ARRAY_LEN(about_the_question); i++)
		if (about_the_question[i] == error)
			return failure != IMAP_FAILED_LOGIN;
	return false;
}

const char *imap_status_name(enum imap_status status)
{
	return status == IMAP_OK ? "OK" : status == IMAP_NO ? "NO" : "BAD";
}
