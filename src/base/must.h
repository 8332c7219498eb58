#ifndef POSTKASSE_BASE_MUST_H
#define POSTKASSE_BASE_MUST_H

/*
 * Assertions that stay in every build. They are for our own bugs only: no byte that a peer sends,
 * our own other processes included, may decide whether one holds.
 */

#define must(condition) ((condition) ? (void)0 : must_failed(#condition, __FILE__, __LINE__))

/* Writes the failed condition to standard error and aborts. */
void must_failed(const char *condition, const char *file, int line) __attribute__((noreturn, cold));

#endif
