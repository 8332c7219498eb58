/* Mistakes on purpose: test/lint.py must find each of them, or its silence about src says nothing. */

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/error.h"

struct element {
	TAILQ_ENTRY(element) link;
	int value;
};
TAILQ_HEAD(element_list, element);

/* Asks a freed element for the next one. */
void free_all(struct element_list *list)
{
	struct element *element;
	TAILQ_FOREACH (element, list, link)
		free(element);
}

/* Uses an element after its end. */
int take_value(struct element_list *list, struct element *element)
{
	TAILQ_REMOVE(list, element, link);
	free(element);
	return element->value;
}

static int find(struct element **ret, int value, struct errinfo *info)
{
	*ret = NULL;
	return value > 0 ? 0 : err_set(info, E_INVALID, "nothing");
}

/* Believes that there is something where there is no error. */
int value_of(int value, struct errinfo *info)
{
	struct element *element;
	if (find(&element, value, info) != 0)
		return -1;
	return element->value;
}

/* A comparison that reads like a yes and means a no. */
int same(const char *a, const char *b)
{
	if (strcmp(a, b))
		return 1;
	return 0;
}

/* One past the end. */
int last_of_three(void)
{
	int values[3] = {1, 2, 3};
	return values[3];
}
