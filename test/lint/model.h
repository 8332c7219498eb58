/*
 * What clang's analyzer, which sees one source file at a time, cannot know of the others; test/lint.py
 * puts it in front of every file. Only true statements belong here: a model that says more than the
 * code does hides mistakes.
 */

#include <sys/queue.h>

#include "base/error.h"

/* A removal reaches the head of the list, or the element before, through the pointer back, which the
 * analyzer does not follow: it believes that a first element, removed and freed, is still the first.
 * Here every look at a list may find anything. A loop that frees the element on which it stands and
 * then asks that element for the next one is still found. */
void *lint_element(void);
#undef TAILQ_FIRST
#define TAILQ_FIRST(head) ((void)(head)->tqh_first, (__typeof__((head)->tqh_first))lint_element())
#undef TAILQ_NEXT
#define TAILQ_NEXT(elm, field) \
	((void)(elm)->field.tqe_next, (__typeof__((elm)->field.tqe_next))lint_element())
#undef TAILQ_FOREACH
#define TAILQ_FOREACH(var, head, field) \
	for ((var) = TAILQ_FIRST(head); (var) != NULL; (var) = TAILQ_NEXT(var, field))
#undef LIST_FIRST
#define LIST_FIRST(head) ((void)(head)->lh_first, (__typeof__((head)->lh_first))lint_element())
#undef LIST_NEXT
#define LIST_NEXT(elm, field) \
	((void)(elm)->field.le_next, (__typeof__((elm)->field.le_next))lint_element())
#undef LIST_FOREACH
#define LIST_FOREACH(var, head, field) \
	for ((var) = LIST_FIRST(head); (var) != NULL; (var) = LIST_NEXT(var, field))
#undef STAILQ_FIRST
#define STAILQ_FIRST(head) \
	((void)(head)->stqh_first, (__typeof__((head)->stqh_first))lint_element())

/* err_set returns its second argument, an error, never 0. */
static inline int lint_error(int error)
{
	if (error >= 0)
		__builtin_unreachable();
	return error;
}
#define err_set(info, error, ...)                         \
	__extension__({                                       \
		int lint_value = lint_error(error);               \
		(void)(err_set)((info), lint_value, __VA_ARGS__); \
		lint_value;                                       \
	})
