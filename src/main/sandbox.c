#include "main/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "main/sandbox_parts.h"

static int failed(struct errinfo *info, const char *what)
{
	return err_set(info, err_from_errno(errno), "%s: %s", what, strerror(errno));
}

static int set_capabilities(uint64_t kept, struct errinfo *info)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
	for (size_t i = 0; i < ARRAY_LEN(data); i++)
		data[i].effective = data[i].permitted = (uint32_t)(kept >> (32 * i));
	return syscall(SYS_capset, &header, data) == 0 ? 0 : failed(info, "capset");
}

static uint64_t permitted_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
	if (syscall(SYS_capget, &header, data) != 0)
		return 0;
	return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

int sandbox_bound_capabilities(struct errinfo *info)
{
	static const int kept[] = {
		CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FOWNER,           CAP_KILL,
		CAP_SETGID, CAP_SETUID,       CAP_NET_BIND_SERVICE, CAP_SYS_RESOURCE};
	uint64_t mask = 0;
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		mask |= 1ULL << kept[i];
	uint64_t permitted = permitted_capabilities();
	if ((permitted & (1ULL << CAP_SETPCAP)) == 0)
		return 0;
	for (int i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		if ((mask & (1ULL << i)) == 0 && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) != 0)
			return failed(info, "PR_CAPBSET_DROP");
	return set_capabilities(permitted & mask, info);
}

static int drop_capabilities(struct errinfo *info)
{
	/* Kernels before 4.3 have no ambient set. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL)
		return failed(info, "ambient capabilities");
	return set_capabilities(0, info);
}

int sandbox_drop_user(uint32_t uid, uint32_t gid, struct errinfo *info)
{
	if (uid != 0) {
		if (setgroups(0, NULL) != 0)
			return failed(info, "setgroups");
		if (setresgid(gid, gid, gid) != 0)
			return failed(info, "setresgid");
		if (setresuid(uid, uid, uid) != 0)
			return failed(info, "setresuid");
		if (geteuid() != uid || getegid() != gid || setuid(0) == 0 || setgid(0) == 0)
			return err_set(info, E_INTERNAL, "the rights of root could be had back");
	}
	return drop_capabilities(info);
}

int sandbox_limit_threads(unsigned max, struct errinfo *info)
{
	struct rlimit limit = {max, max};
	return setrlimit(RLIMIT_NPROC, &limit) == 0 ? 0 : failed(info, "RLIMIT_NPROC");
}

int sandbox_limit_memory(uint64_t max, struct errinfo *info)
{
	struct rlimit limit = {max, max};
	return setrlimit(RLIMIT_DATA, &limit) == 0 ? 0 : failed(info, "RLIMIT_DATA");
}

/* Sets a limit to what is wanted, or as near to it as we may. */
static void raise_limit(__rlimit_resource_t resource, rlim_t wanted)
{
	struct rlimit limit = {wanted, wanted};
	if (setrlimit(resource, &limit) == 0 || getrlimit(resource, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	/* Then it stays as it is: less room, nothing wrong. */
	int ignored = setrlimit(resource, &limit);
	(void)ignored;
}

int sandbox_set_limits(struct errinfo *info)
{
	struct rlimit none = {0, 0};
	if (setrlimit(RLIMIT_CORE, &none) != 0)
		return failed(info, "RLIMIT_CORE");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return failed(info, "PR_SET_DUMPABLE");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return failed(info, "PR_SET_NO_NEW_PRIVS");
	raise_limit(RLIMIT_NOFILE, 1 << 20);
	raise_limit(RLIMIT_MEMLOCK, RLIM_INFINITY);
	return 0;
}

bool sandbox_lock_memory(void)
{
	struct rlimit limit;
	/* With a limit, memory that we could not lock later would fail to be there at all. */
	if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur != RLIM_INFINITY)
		return false;
	return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
}

int sandbox_enter(const struct sandbox *sandbox, const struct log *log, struct errinfo *info)
{
	int error = sandbox_landlock(sandbox, log, info);
	return error != 0 ? error : sandbox_seccomp(sandbox, info);
}
