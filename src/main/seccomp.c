#include "main/sandbox_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

/* What every process of ours needs to move bytes, keep time, hold memory, run threads and end. */
static const int always[] = {
	/* descriptors that are there already; fcntl, shutdown, sendto, sendmsg and setsockopt: see below */
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(close),
	SCMP_SYS(lseek),
	SCMP_SYS(fstat),
	SCMP_SYS(dup),
	SCMP_SYS(dup2),
	SCMP_SYS(dup3),
	/* sockets that are there already; no process of ours makes, binds or connects one */
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockopt),
	/* events */
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_create),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2),
	SCMP_SYS(eventfd2),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(select),
	SCMP_SYS(pselect6),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	/* memory; mmap and mprotect have conditions, see below */
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(mlock),
	SCMP_SYS(mlock2),
	SCMP_SYS(munlock),
	/* threads */
	SCMP_SYS(futex),
	SCMP_SYS(futex_waitv),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(gettid),
	SCMP_SYS(getcpu),
	SCMP_SYS(membarrier),
	/* signals to ourselves */
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall),
	/* time and random numbers */
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getrandom),
	/* who and where we are */
	SCMP_SYS(getpid),
	SCMP_SYS(getppid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(uname),
	SCMP_SYS(sysinfo),
	SCMP_SYS(getrusage),
	SCMP_SYS(getrlimit),
	/* the end */
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* What SQLite does with its files, inside the folders that Landlock leaves. */
static const int with_files[] = {
	SCMP_SYS(open),       SCMP_SYS(openat),          SCMP_SYS(stat),
	SCMP_SYS(lstat),      SCMP_SYS(newfstatat),      SCMP_SYS(statx),
	SCMP_SYS(statfs),     SCMP_SYS(fstatfs),         SCMP_SYS(access),
	SCMP_SYS(faccessat),  SCMP_SYS(faccessat2),      SCMP_SYS(readlink),
	SCMP_SYS(readlinkat), SCMP_SYS(getcwd),          SCMP_SYS(getdents64),
	SCMP_SYS(unlink),     SCMP_SYS(unlinkat),        SCMP_SYS(rename),
	SCMP_SYS(renameat),   SCMP_SYS(renameat2),       SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),    SCMP_SYS(rmdir),           SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),  SCMP_SYS(sync_file_range), SCMP_SYS(msync),
	SCMP_SYS(ftruncate),  SCMP_SYS(fallocate),       SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),   SCMP_SYS(preadv),          SCMP_SYS(pwritev),
	SCMP_SYS(fadvise64),  SCMP_SYS(flock),           SCMP_SYS(fchmod),
	SCMP_SYS(umask),      SCMP_SYS(utimensat),       SCMP_SYS(copy_file_range),
};

/* What libraries try and can do without. Without files these look as if there were none. */
static const int refused_without_files[] = {
	SCMP_SYS(open),       SCMP_SYS(openat),   SCMP_SYS(openat2),    SCMP_SYS(stat),
	SCMP_SYS(lstat),      SCMP_SYS(statfs),   SCMP_SYS(access),     SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd),
	SCMP_SYS(unlink),     SCMP_SYS(mkdir),    SCMP_SYS(rename),
};

/* For the leak check and the reports of the sanitizers. */
static const int for_sanitizers[] = {
	SCMP_SYS(ptrace),
	SCMP_SYS(wait4),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(clone),
	SCMP_SYS(prctl),
	SCMP_SYS(arch_prctl),
	SCMP_SYS(getdents64),
	SCMP_SYS(getdents),
	SCMP_SYS(sched_getparam),
	SCMP_SYS(sched_getscheduler),
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(readlink),
	SCMP_SYS(newfstatat),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(pread64),
	SCMP_SYS(kill),
	SCMP_SYS(tgkill),
	SCMP_SYS(tkill),
	SCMP_SYS(prlimit64),
	SCMP_SYS(setrlimit),
	SCMP_SYS(getcwd),
	SCMP_SYS(access),
	SCMP_SYS(personality),
};

static bool contains(const int *list, size_t count, int number)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == number)
			return true;
	return false;
}

/* A call that this machine does not have (open on arm64) is passed over. */
static int add_list(scmp_filter_ctx filter, uint32_t action, const int *list, size_t count,
                    const int *but, size_t but_count)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i] < 0 || contains(but, but_count, list[i]))
			continue;
		int error = seccomp_rule_add(filter, action, list[i], 0);
		if (error != 0)
			return error;
	}
	return 0;
}

/* A rule for calls whose argument number arg, under mask, is value. */
static int add_if(scmp_filter_ctx filter, uint32_t action, int call, unsigned arg, uint64_t mask,
                  uint64_t value)
{
	struct scmp_arg_cmp compare = {arg, SCMP_CMP_MASKED_EQ, mask, value};
	return call < 0 ? 0 : seccomp_rule_add_array(filter, action, call, 1, &compare);
}

/* Memory is never executable once we are in here. */
static int add_memory(scmp_filter_ctx filter)
{
	static const int calls[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};
	int error = 0;
	for (size_t i = 0; i < ARRAY_LEN(calls) && error == 0; i++) {
		error = add_if(filter, SCMP_ACT_ALLOW, calls[i], 2, PROT_EXEC, 0);
		if (error == 0)
			error = add_if(filter, SCMP_ACT_ERRNO(EACCES), calls[i], 2, PROT_EXEC, PROT_EXEC);
	}
	return error;
}

/* Threads of our own, no processes. clone3 hides its flags behind a pointer: glibc uses clone when
 * it is told that clone3 does not exist. */
static int add_threads(scmp_filter_ctx filter, const struct sandbox *sandbox)
{
	int error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (error != 0 || sandbox->sanitizers)
		return error;
	error = add_if(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 0, CLONE_THREAD, CLONE_THREAD);
	if (error == 0) /* abort() and raise() */
		error = add_if(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 0, UINT64_MAX, (uint64_t)getpid());
	if (error == 0) /* asking for a limit, not setting one */
		error = add_if(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, UINT64_MAX, 0);
	if (error == 0)
		error = add_if(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 0, UINT64_MAX, PR_SET_NAME);
	return error;
}

/* newfstatat and statx are also how glibc asks about an open descriptor: then the path is empty,
 * which only the flag tells. */
static int add_status(scmp_filter_ctx filter, const struct sandbox *sandbox)
{
	if (sandbox->folders != NULL)
		return 0;
	int error = add_if(filter, SCMP_ACT_ALLOW, SCMP_SYS(statx), 2, AT_EMPTY_PATH, AT_EMPTY_PATH);
	if (error == 0)
		error = add_if(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(statx), 2, AT_EMPTY_PATH, 0);
	if (error != 0 || sandbox->sanitizers)
		return error;
	error = add_if(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 3, AT_EMPTY_PATH, AT_EMPTY_PATH);
	if (error == 0)
		error = add_if(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(newfstatat), 3, AT_EMPTY_PATH, 0);
	return error;
}

/* Two conditions at once. */
static int add_if_both(scmp_filter_ctx filter, int call, struct scmp_arg_cmp first,
                       struct scmp_arg_cmp second)
{
	struct scmp_arg_cmp compare[] = {first, second};
	return call < 0
	           ? 0
	           : seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, ARRAY_LEN(compare), compare);
}

/* Not F_SETOWN, F_SETSIG and their like, which let the kernel send signals for us; and no descriptor is
 * made to wait: the port that we listen on is our successor's too. */
static int add_fcntl(scmp_filter_ctx filter, bool files)
{
	static const int always_allowed[] = {F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL};
	static const int locks[] = {F_GETLK, F_SETLK, F_SETLKW};
	int error = add_if_both(
		filter, SCMP_SYS(fcntl), (struct scmp_arg_cmp){1, SCMP_CMP_EQ, F_SETFL, 0},
		(struct scmp_arg_cmp){2, SCMP_CMP_MASKED_EQ, O_NONBLOCK | O_ASYNC, O_NONBLOCK});
	for (size_t i = 0; i < ARRAY_LEN(always_allowed) && error == 0; i++)
		error = add_if(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, UINT64_MAX,
		               (uint64_t)always_allowed[i]);
	for (size_t i = 0; files && i < ARRAY_LEN(locks) && error == 0; i++)
		error = add_if(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, UINT64_MAX, (uint64_t)locks[i]);
	return error;
}

/* To whom a socket is connected, and to nobody else: an address, or MSG_FASTOPEN, would make a new
 * connection without connect(). */
static int add_sending(scmp_filter_ctx filter)
{
	const uint64_t others = ~(uint64_t)(MSG_DONTWAIT | MSG_NOSIGNAL);
	int error = add_if(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendmsg), 2, others, 0);
	if (error != 0)
		return error;
	return add_if_both(filter, SCMP_SYS(sendto),
	                   (struct scmp_arg_cmp){3, SCMP_CMP_MASKED_EQ, others, 0},
	                   (struct scmp_arg_cmp){4, SCMP_CMP_EQ, 0, 0});
}

/* The end of what we send, no more: the other direction of a port that we listen on would close it for
 * whoever comes after us. */
static int add_shutdown(scmp_filter_ctx filter)
{
	return add_if(filter, SCMP_ACT_ALLOW, SCMP_SYS(shutdown), 1, UINT64_MAX, SHUT_WR);
}

static int add_socket_options(scmp_filter_ctx filter)
{
	static const int allowed[][2] = {{SOL_SOCKET, SO_SNDBUF},        {SOL_SOCKET, SO_KEEPALIVE},
	                                 {IPPROTO_TCP, TCP_NODELAY},     {IPPROTO_TCP, TCP_KEEPIDLE},
	                                 {IPPROTO_TCP, TCP_KEEPINTVL},   {IPPROTO_TCP, TCP_KEEPCNT},
	                                 {IPPROTO_TCP, TCP_USER_TIMEOUT}};
	int error = 0;
	for (size_t i = 0; i < ARRAY_LEN(allowed) && error == 0; i++)
		error = add_if_both(filter, SCMP_SYS(setsockopt),
		                    (struct scmp_arg_cmp){1, SCMP_CMP_EQ, (uint64_t)allowed[i][0], 0},
		                    (struct scmp_arg_cmp){2, SCMP_CMP_EQ, (uint64_t)allowed[i][1], 0});
	return error;
}

static int add_ioctl(scmp_filter_ctx filter)
{
	int error = add_if(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, UINT64_MAX, FIONREAD);
	/* isatty() */
	if (error == 0)
		error = add_if(filter, SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), 1, UINT64_MAX, TCGETS);
	return error;
}

static int add_all(scmp_filter_ctx filter, const struct sandbox *sandbox)
{
	size_t sanitizer_count = sandbox->sanitizers ? ARRAY_LEN(for_sanitizers) : 0;
	bool files = sandbox->folders != NULL;
	int error = add_list(filter, SCMP_ACT_ALLOW, always, ARRAY_LEN(always), NULL, 0);
	if (error == 0 && files)
		error = add_list(filter, SCMP_ACT_ALLOW, with_files, ARRAY_LEN(with_files), NULL, 0);
	if (error == 0 && !files)
		error = add_list(filter, SCMP_ACT_ERRNO(EACCES), refused_without_files,
		                 ARRAY_LEN(refused_without_files), for_sanitizers, sanitizer_count);
	if (error == 0)
		error = add_list(filter, SCMP_ACT_ALLOW, for_sanitizers, sanitizer_count,
		                 files ? with_files : NULL, files ? ARRAY_LEN(with_files) : 0);
	if (error == 0)
		error = add_memory(filter);
	if (error == 0)
		error = add_threads(filter, sandbox);
	if (error == 0)
		error = add_status(filter, sandbox);
	if (error == 0)
		error = add_fcntl(filter, files);
	if (error == 0)
		error = add_sending(filter);
	if (error == 0)
		error = add_shutdown(filter);
	if (error == 0)
		error = add_socket_options(filter);
	return error == 0 ? add_ioctl(filter) : error;
}

int sandbox_seccomp(const struct sandbox *sandbox, struct errinfo *info)
{
	/* The sanitizers' build says which call it was, see role_start.c; otherwise the process ends at
	 * once and the kernel's audit log has the number. */
	uint32_t action = sandbox->sanitizers ? SCMP_ACT_TRAP : SCMP_ACT_KILL_PROCESS;
	scmp_filter_ctx filter = seccomp_init(action);
	if (filter == NULL)
		return err_set(info, E_INTERNAL, "seccomp: no filter");
	/* A tree instead of a list: every call of ours goes through it. */
	int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (error == 0)
		error = add_all(filter, sandbox);
	if (error == 0)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error == 0 ? 0 : err_set(info, E_UNSUPPORTED, "seccomp: %s", strerror(-error));
}
