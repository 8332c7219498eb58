#ifndef POSTKASSE_STORE_GROUP_H
#define POSTKASSE_STORE_GROUP_H

/*
 * Group commit: the APPENDs and DELIVERs that wait one after the other for the same mailbox go into
 * one durable transaction, and each is answered after it.
 */

#include "store/request.h"

/* The run of store_method_append and store_method_deliver. */
int group_run(struct request *leader);

#endif
