#include "main/sandbox_parts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"

/* A folder with a "mine" (allowed to cores) and an "other" beside it; made by the group's set-up. */
static char root[] = "/tmp/postkasse-sandbox-XXXXXX";
static char mine[64], other[64], mine_file[96], other_file[96];
static int listener = -1; /* TCP on loopback, outside of every sandbox */
static uint16_t listener_port;
/* Sockets of the process that makes an attempt: connected by a client, and new ones, the last listening. */
static int accepted, fresh, fresh_udp, fresh_unix, fresh_port;

/* What a process may come to in its sandbox. 0: the call worked. */
enum { WORKED = 0, REFUSED = 1, NO_SANDBOX = 99 };

static int refused_if(bool failed)
{
	return failed ? REFUSED : WORKED;
}

static int try_open(const char *path, int flags)
{
	return refused_if(open(path, flags, 0600) < 0);
}

static int read_passwd(void)
{
	return try_open("/etc/passwd", O_RDONLY);
}
static int read_own_memory(void)
{
	return try_open("/proc/self/mem", O_RDWR);
}
static int read_mine(void)
{
	return try_open(mine_file, O_RDWR);
}
static int read_other(void)
{
	return try_open(other_file, O_RDONLY);
}
static int write_other(void)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/new", other);
	return try_open(path, O_WRONLY | O_CREAT);
}
static int stat_other(void)
{
	struct stat status;
	return refused_if(stat(other_file, &status) != 0);
}
static int remove_other(void)
{
	return refused_if(unlink(other_file) != 0);
}
static int move_out(void)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/moved", other);
	return refused_if(rename(mine_file, path) != 0);
}
static int make_folder_and_file(void)
{
	char folder[128], path[160];
	snprintf(folder, sizeof(folder), "%s/35", mine);
	snprintf(path, sizeof(path), "%s/x", folder);
	if (mkdir(folder, 0700) != 0)
		return REFUSED;
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || pwrite(fd, "x", 1, 0) != 1 || ftruncate(fd, 0) != 0 || fdatasync(fd) != 0)
		return REFUSED;
	return refused_if(unlink(path) != 0 || rmdir(folder) != 0);
}
static int random_device(void)
{
	return try_open("/dev/urandom", O_RDONLY);
}
static int link_in(void)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/link", mine);
	return refused_if(symlink("/etc/passwd", path) != 0);
}
static int run_program(void)
{
	execl("/bin/true", "true", NULL);
	return REFUSED;
}
static int make_process(void)
{
	return refused_if(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) < 0);
}
static void *answer(void *number)
{
	return number;
}
static int make_thread(void)
{
	pthread_t thread;
	void *result = NULL;
	int number;
	if (pthread_create(&thread, NULL, answer, &number) != 0)
		return REFUSED;
	pthread_join(thread, &result);
	return refused_if(result != &number);
}
static int packet_socket(void)
{
	return refused_if(socket(AF_PACKET, SOCK_RAW, 0) < 0);
}
static int tcp_socket(void)
{
	return refused_if(socket(AF_INET, SOCK_STREAM, 0) < 0);
}
static int mptcp_socket(void)
{
	return refused_if(socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP) < 0);
}
static int udp_socket(void)
{
	return refused_if(socket(AF_INET6, SOCK_DGRAM, 0) < 0);
}
static int netlink_socket(void)
{
	return refused_if(socket(AF_NETLINK, SOCK_RAW, 0) < 0);
}
static int unix_socket(void)
{
	return refused_if(socket(AF_UNIX, SOCK_STREAM, 0) < 0);
}
static int pair_of_sockets(void)
{
	int pair[2];
	return refused_if(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0);
}
static struct sockaddr_in listener_address(void)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	                            .sin_port = htons(listener_port),
	                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}
static int connect_it(void)
{
	struct sockaddr_in address = listener_address();
	return refused_if(connect(fresh, (struct sockaddr *)&address, sizeof(address)) != 0);
}
static int bind_it(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	return refused_if(bind(fresh, (struct sockaddr *)&address, sizeof(address)) != 0);
}
static int listen_on_it(void)
{
	return refused_if(listen(fresh, 1) != 0);
}
static int connect_unix_path(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/nobody.sock"};
	/* ENOENT against ECONNREFUSED tells which paths there are. */
	return refused_if(connect(fresh_unix, (struct sockaddr *)&address, sizeof(address)) != 0 &&
	                  errno != ENOENT);
}
static int unconnect(void)
{
	struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	return refused_if(connect(accepted, &nobody, sizeof(nobody)) != 0);
}
static int fast_open_sendto(void)
{
	struct sockaddr_in to = listener_address();
	return refused_if(sendto(fresh, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof(to)) != 1);
}
static int send_by_message(int fd, int flags)
{
	struct sockaddr_in to = listener_address();
	struct iovec part = {(char[]){"x"}, 1};
	struct msghdr message = {
		.msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &part, .msg_iovlen = 1};
	return refused_if(sendmsg(fd, &message, flags) != 1);
}
static int fast_open_sendmsg(void)
{
	return send_by_message(fresh, MSG_FASTOPEN | MSG_NOSIGNAL);
}
static int send_with_address(void)
{
	struct sockaddr_in to = listener_address();
	return refused_if(sendto(fresh_udp, "x", 1, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof(to)) !=
	                  1);
}
static int send_to_peer(void)
{
	return refused_if(send(accepted, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1 ||
	                  send_by_message(accepted, MSG_NOSIGNAL) != WORKED);
}
static int set_number(int level, int option, int value)
{
	return refused_if(setsockopt(accepted, level, option, &value, sizeof(value)) != 0);
}
static int tune_connection(void)
{
	return refused_if(set_number(IPPROTO_TCP, TCP_NODELAY, 1) != WORKED ||
	                  set_number(SOL_SOCKET, SO_KEEPALIVE, 1) != WORKED ||
	                  set_number(IPPROTO_TCP, TCP_KEEPIDLE, 60) != WORKED ||
	                  set_number(IPPROTO_TCP, TCP_USER_TIMEOUT, 1000) != WORKED ||
	                  set_number(SOL_SOCKET, SO_SNDBUF, 65536) != WORKED);
}
static int fast_open_later(void)
{
	int on = 1;
	return refused_if(setsockopt(fresh, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on)) != 0);
}
static int other_option(void)
{
	return set_number(SOL_SOCKET, SO_RCVBUF, 65536);
}
static int plain_flags(void)
{
	int flags = fcntl(accepted, F_GETFL);
	return refused_if(flags < 0 || fcntl(accepted, F_SETFL, flags | O_NONBLOCK) != 0 ||
	                  fcntl(accepted, F_DUPFD_CLOEXEC, 0) < 0);
}
static int send_no_more(void)
{
	return refused_if(shutdown(accepted, SHUT_WR) != 0);
}
/* What a process does to the port that it listens on stays so for the one that is started in its place. */
static int close_the_port(void)
{
	return refused_if(shutdown(fresh_port, SHUT_RD) != 0);
}
static int close_the_port_both_ways(void)
{
	return refused_if(shutdown(fresh_port, SHUT_RDWR) != 0);
}
static int make_the_port_wait(void)
{
	int flags = fcntl(fresh_port, F_GETFL);
	return refused_if(flags < 0 || fcntl(fresh_port, F_SETFL, flags & ~O_NONBLOCK) != 0);
}
static int make_the_port_wait_by_ioctl(void)
{
	int off = 0;
	return refused_if(ioctl(fresh_port, FIONBIO, &off) != 0);
}
static int signals_when_ready(void)
{
	return refused_if(fcntl(accepted, F_SETFL, O_NONBLOCK | O_ASYNC) != 0);
}
static int signals_to_parent(void)
{
	return refused_if(fcntl(accepted, F_SETOWN, getppid()) != 0);
}
static int signals_to_parent_ex(void)
{
	struct f_owner_ex owner = {F_OWNER_PID, getppid()};
	return refused_if(fcntl(accepted, F_SETOWN_EX, &owner) != 0);
}
static int another_signal(void)
{
	return refused_if(fcntl(accepted, F_SETSIG, SIGRTMIN) != 0);
}
static int trace_parent(void)
{
	return refused_if(ptrace(PTRACE_SEIZE, getppid(), 0, 0) != 0);
}
static int signal_parent(void)
{
	return refused_if(kill(getppid(), 0) != 0);
}
static int executable_memory(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
	                    -1, 0);
	return refused_if(memory == MAP_FAILED);
}
static int make_executable(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return refused_if(memory == MAP_FAILED || mprotect(memory, 4096, PROT_READ | PROT_EXEC) != 0);
}
static int plain_memory(void)
{
	void *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return refused_if(memory == MAP_FAILED || munmap(memory, 1 << 20) != 0);
}
static int mount_something(void)
{
	return refused_if(syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL) != 0);
}
static int new_namespace(void)
{
	return refused_if(unshare(CLONE_NEWUSER) != 0);
}
static int load_filter(void)
{
	return refused_if(syscall(SYS_bpf, 0, NULL, 0) < 0 && errno == EINVAL);
}
static int use_uring(void)
{
	return refused_if(syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno == EFAULT);
}
static int make_dumpable(void)
{
	return refused_if(prctl(PR_SET_DUMPABLE, 1) != 0);
}
static int allow_core(void)
{
	struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	return refused_if(setrlimit(RLIMIT_CORE, &all) != 0);
}
static int become_root(void)
{
	return refused_if(setresuid(0, 0, 0) != 0);
}
static int old_call_table(void)
{
	/* The 32-bit table, where the numbers mean other calls: 20 is getpid there. */
#ifdef __x86_64__
	long result;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory");
	return refused_if(result < 0);
#else
	return REFUSED;
#endif
}
static int wide_call_table(void)
{
	/* The table of x32, whose numbers have a bit of their own: 39 is getpid there. Where the kernel has none
	 * of it the call fails. */
#ifdef __x86_64__
	return refused_if(syscall(0x40000000L | SYS_getpid) < 0);
#else
	return REFUSED;
#endif
}
static int write_result(void)
{
	return refused_if(write(STDERR_FILENO, "", 0) != 0);
}

/* SECCOMP_FRONT: on a kernel without Landlock. */
enum who { FRONT = 1, SECCOMP_FRONT = 2, CORE = 4, SECCOMP_CORE = 8, CORES = 12, ALL = 15 };

static const struct {
	const char *name;
	int (*attempt)(void);
	unsigned works_for; /* the others are refused, or killed for it */
} attempts[] = {
	{"write", write_result, ALL},
	{"plain memory", plain_memory, ALL},
	{"a thread", make_thread, ALL},
	{"read /etc/passwd", read_passwd, SECCOMP_CORE},
	{"read /proc/self/mem", read_own_memory, SECCOMP_CORE},
	{"read our file", read_mine, CORES},
	{"work in our folder", make_folder_and_file, CORES},
	{"read /dev/urandom", random_device, CORES},
	{"read the file beside", read_other, SECCOMP_CORE},
	{"write beside", write_other, SECCOMP_CORE},
	{"remove beside", remove_other, SECCOMP_CORE},
	{"move out", move_out, SECCOMP_CORE},
	/* Landlock lets names be seen; a front has not even that, with or without it. */
	{"stat beside", stat_other, CORES},
	{"a symbolic link", link_in, 0},
	{"execve", run_program, 0},
	{"fork", make_process, 0},
	{"socket AF_PACKET", packet_socket, 0},
	{"socket AF_NETLINK", netlink_socket, 0},
	{"socket AF_INET", tcp_socket, 0},
	{"socket MPTCP", mptcp_socket, 0},
	{"socket UDP", udp_socket, 0},
	{"socket AF_UNIX", unix_socket, 0},
	{"socketpair", pair_of_sockets, 0},
	{"connect", connect_it, 0},
	{"connect to a path", connect_unix_path, 0},
	{"connect to nobody", unconnect, 0},
	{"bind", bind_it, 0},
	{"listen", listen_on_it, 0},
	{"send to the peer", send_to_peer, ALL},
	{"sendto with MSG_FASTOPEN", fast_open_sendto, 0},
	{"sendmsg with MSG_FASTOPEN", fast_open_sendmsg, 0},
	{"sendto with an address", send_with_address, 0},
	{"options that we set", tune_connection, ALL},
	{"TCP_FASTOPEN_CONNECT", fast_open_later, 0},
	{"another socket option", other_option, 0},
	{"flags of a descriptor", plain_flags, ALL},
	{"shutdown of what is sent", send_no_more, ALL},
	{"shutdown of a port", close_the_port, 0},
	{"shutdown of a port, both ways", close_the_port_both_ways, 0},
	{"a port made to wait", make_the_port_wait, 0},
	{"a port made to wait by ioctl", make_the_port_wait_by_ioctl, 0},
	{"O_ASYNC", signals_when_ready, 0},
	{"F_SETOWN", signals_to_parent, 0},
	{"F_SETOWN_EX", signals_to_parent_ex, 0},
	{"F_SETSIG", another_signal, 0},
	{"ptrace", trace_parent, 0},
	{"kill", signal_parent, 0},
	{"executable memory", executable_memory, 0},
	{"memory made executable", make_executable, 0},
	{"mount", mount_something, 0},
	{"unshare", new_namespace, 0},
	{"bpf", load_filter, 0},
	{"io_uring", use_uring, 0},
	{"PR_SET_DUMPABLE", make_dumpable, 0},
	{"RLIMIT_CORE", allow_core, 0},
	{"setresuid", become_root, 0},
	{"32-bit calls", old_call_table, 0},
	{"x32 calls", wide_call_table, 0},
};

static void be_sandboxed(enum who who)
{
	const char *const folders[] = {mine, NULL};
	struct sandbox sandbox = {.folders = (who & CORES) != 0 ? folders : NULL};
	struct errinfo info;
	int error = sandbox_set_limits(&info);
	if (error == 0 && (who == SECCOMP_FRONT || who == SECCOMP_CORE))
		error = sandbox_seccomp(&sandbox, &info);
	else if (error == 0)
		error = sandbox_enter(&sandbox, NULL, &info);
	if (error != 0) {
		fprintf(stderr, "%s\n", info.text);
		_exit(NO_SANDBOX);
	}
}

/* What is there already when a process enters its sandbox, and what a sloppy supervisor might leave. */
static bool make_sockets(void)
{
	struct sockaddr_in address = listener_address(), ours, theirs = {0};
	socklen_t len = sizeof(ours);
	int client = socket(AF_INET, SOCK_STREAM, 0);
	fresh = socket(AF_INET, SOCK_STREAM, 0);
	fresh_udp = socket(AF_INET, SOCK_DGRAM, 0);
	fresh_unix = socket(AF_UNIX, SOCK_STREAM, 0);
	fresh_port = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (listen(fresh_port, 1) != 0 ||
	    connect(client, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    getsockname(client, (struct sockaddr *)&ours, &len) != 0)
		return false;
	/* Other attempts have left connections there. */
	for (accepted = 0; accepted >= 0 && theirs.sin_port != ours.sin_port; len = sizeof(theirs))
		accepted = accept(listener, (struct sockaddr *)&theirs, &len);
	return accepted >= 0 && fresh >= 0 && fresh_udp >= 0 && fresh_unix >= 0;
}

static void make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
}

/* The wait status of a process that makes the attempt; who 0: without a sandbox. */
static int try_as(int (*attempt)(void), unsigned who)
{
	fflush(NULL);
	/* Some attempts of some work, and take away what others look for. */
	make_file(mine_file);
	make_file(other_file);
	pid_t pid = fork();
	if (pid == 0) {
		if (!make_sockets())
			_exit(NO_SANDBOX);
		if (who != 0)
			be_sandboxed((enum who)who);
		_exit(attempt());
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool is_refused(int status)
{
	return (WIFEXITED(status) && WEXITSTATUS(status) == REFUSED) ||
	       (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static bool has_worked(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == WORKED;
}

static void each_may_do_its_work_and_nothing_else(void **state)
{
	(void)state;
	static const enum who all[] = {FRONT, SECCOMP_FRONT, CORE, SECCOMP_CORE};
	for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
		for (size_t k = 0; k < ARRAY_LEN(all); k++) {
			int status = try_as(attempts[i].attempt, all[k]);
			bool may = (attempts[i].works_for & all[k]) != 0;
			if (may ? !has_worked(status) : !is_refused(status))
				fail_msg("%s as %d: wait status %#x", attempts[i].name, (int)all[k],
				         (unsigned)status);
		}
	}
}

/* The attempts are real: without a sandbox they work, but for what even root cannot do here. */
static void without_a_sandbox_the_attempts_work(void **state)
{
	(void)state;
	static const char *const samples[] = {"read /etc/passwd",
	                                      "read the file beside",
	                                      "execve",
	                                      "fork",
	                                      "connect",
	                                      "connect to a path",
	                                      "connect to nobody",
	                                      "sendto with MSG_FASTOPEN",
	                                      "sendmsg with MSG_FASTOPEN",
	                                      "sendto with an address",
	                                      "TCP_FASTOPEN_CONNECT",
	                                      "another socket option",
	                                      "listen",
	                                      "shutdown of a port",
	                                      "shutdown of a port, both ways",
	                                      "a port made to wait",
	                                      "a port made to wait by ioctl",
	                                      "O_ASYNC",
	                                      "F_SETOWN",
	                                      "F_SETOWN_EX",
	                                      "F_SETSIG",
	                                      "kill",
	                                      "executable memory",
	                                      "socket AF_NETLINK"};
	size_t worked = 0;
	for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
		for (size_t k = 0; k < ARRAY_LEN(samples); k++) {
			if (strcmp(attempts[i].name, samples[k]) == 0) {
				assert_true(has_worked(try_as(attempts[i].attempt, 0)));
				worked++;
			}
		}
	}
	assert_int_equal(worked, ARRAY_LEN(samples));
}

static int abort_now(void)
{
	abort();
}

static void abort_ends_by_sigabrt_without_a_core(void **state)
{
	(void)state;
	int status = try_as(abort_now, FRONT);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_false(WCOREDUMP(status));
}

static int is_dumpable_or_gains_rights(void)
{
	struct rlimit core;
	struct errinfo info;
	if (sandbox_set_limits(&info) != 0)
		return NO_SANDBOX;
	return prctl(PR_GET_DUMPABLE) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 ||
	       getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_max != 0;
}

static void limits_are_final(void **state)
{
	(void)state;
	assert_int_equal(try_as(is_dumpable_or_gains_rights, 0), 0);
}

static int drop_and_look(void)
{
	struct errinfo info;
	if (sandbox_set_limits(&info) != 0 || sandbox_drop_user(64321, 64320, &info) != 0)
		return NO_SANDBOX;
	if (geteuid() != 64321 || getegid() != 64320 || getgroups(0, NULL) != 0)
		return 2;
	if (seteuid(0) == 0 || setegid(0) == 0)
		return 3;
	return open("/etc/shadow", O_RDONLY) >= 0 ? 4 : 0;
}

static void root_is_left_for_good(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		/* Somebody else cannot become a third user: that must fail, not pass for done. */
		struct errinfo info;
		assert_int_not_equal(sandbox_drop_user(64321, 64320, &info), 0);
		return;
	}
	assert_int_equal(try_as(drop_and_look, 0), 0);
}

static void landlock_is_there(void **state)
{
	(void)state;
	/* These tests mean nothing on a kernel without it. */
	assert_true(sandbox_landlock_version() >= 1);
}

static int set_up(void **state)
{
	(void)state;
	if (mkdtemp(root) == NULL)
		return -1;
	snprintf(mine, sizeof(mine), "%s/mine", root);
	snprintf(other, sizeof(other), "%s/other", root);
	snprintf(mine_file, sizeof(mine_file), "%s/file", mine);
	snprintf(other_file, sizeof(other_file), "%s/file", other);
	if (mkdir(mine, 0700) != 0 || mkdir(other, 0700) != 0)
		return -1;
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listener, 64) != 0 || getsockname(listener, (struct sockaddr *)&address, &len) != 0)
		return -1;
	listener_port = ntohs(address.sin_port);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(listener);
	char moved[128], new[128];
	snprintf(moved, sizeof(moved), "%s/moved", other);
	snprintf(new, sizeof(new), "%s/new", other);
	unlink(mine_file);
	unlink(other_file);
	unlink(moved);
	unlink(new);
	rmdir(mine);
	rmdir(other);
	return rmdir(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(landlock_is_there),
		cmocka_unit_test(without_a_sandbox_the_attempts_work),
		cmocka_unit_test(each_may_do_its_work_and_nothing_else),
		cmocka_unit_test(abort_ends_by_sigabrt_without_a_core),
		cmocka_unit_test(limits_are_final),
		cmocka_unit_test(root_is_left_for_good),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
