#include "front/describing.h"

#include "base/mem.h"
#include "base/must.h"

static void describe(struct describing *describing)
{
	describing->description = mail_describe(describing->message, describing->arena);
}

static void run(struct background_job *job)
{
	describe(container_of(job, struct describing, job));
}

static void done(struct background_job *job, bool ran)
{
	struct describing *describing = container_of(job, struct describing, job);
	(void)ran;
	describing->under_way = false;
	describing->described(describing);
}

bool describing_begin(struct describing *describing, struct background *background,
                      struct str message, void (*described)(struct describing *describing))
{
	must(describing->arena == NULL);
	describing->message = message;
	describing->arena = arena_new(MAIL_DESCRIBE_ARENA);
	describing->described = described;
	if (message.len <= DESCRIBING_AT_ONCE_MAX) {
		describe(describing);
		return true;
	}
	describing->under_way = true;
	describing->job.run = run;
	describing->job.done = done;
	background_start(background, &describing->job);
	return false;
}

void describing_done(struct describing *describing)
{
	must(!describing->under_way);
	arena_free(describing->arena);
	describing->arena = NULL;
	describing->description = NULL;
}
