#ifndef POSTKASSE_STORE_CARE_H
#define POSTKASSE_STORE_CARE_H

/*
 * What a mailbox needs besides requests: the WAL copied into the file, garbage deleted, free pages
 * given back, a due re-key, handles and keys let go. Requests of our own, in the mailbox's turn.
 */

#include "store/request.h"

enum care {
	CARE_TIDY,   /* checkpoint, garbage, free pages, re-key */
	CARE_CLOSE,  /* and give the handles back */
	CARE_FORGET, /* and the key */
};

/* The run of such a request; state is the enum care. */
int care_run(struct request *request, enum care care);

#endif
