/* SPDX-License-Identifier: MIT */
/*
 * sysfault - runs a program and lets one of its system calls go wrong.
 *
 * usage: sysfault [-n N] [-a action] [-o calls] [-t trace] [-u] command...
 *
 * Counts the calls that change something outside of the process: files and
 * directories made, written, renamed, synced, removed, and bytes sent to
 * sockets (not those to standard output and error, to pipes and to eventfds).
 * At the N-th of them it does what the action says:
 *
 *	kill	SIGKILL to every process and thread of the tree, before the
 *		call is made
 *	short	a write or send gets half of its bytes
 *	ENOSPC, EIO, EINTR, ...	the call is not made and fails so; on a
 *		socket all but EINTR break the connection: ECONNRESET
 *
 *	-o	counts only these calls: names, separated by commas
 *	-t	one line for each counted call: number, process, name, path
 *		(paths, if two), result; "-" as the result if it never ended
 *	-u	counts from SIGUSR1 to sysfault on, for a daemon that must be
 *		up first; it says "armed" on standard output
 *
 * Ends with the command's exit status, or 128 plus the signal that ended it;
 * SIGTERM and SIGINT are passed on. The last line of the trace is "exit S".
 * 77: this machine cannot do that (not x86-64, ptrace forbidden).
 *
 * How: a seccomp filter stops the tree at those calls only (the rest runs at
 * full speed), ptrace looks at the stop and changes the registers.
 */
#include "common/base.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/faults/calls.h"

#if defined(__x86_64__) && defined(__linux__)

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/user.h>

#define TASKS_MAX	256
#define PATHS_MAX	4096

/* A thread of the tree. */
struct task {
	pid_t		tid;
	bool		in_call;	/* its exit is waited for */
	char		line[PATHS_MAX + 128];	/* of the trace, so far */
};

struct sysfault {
	long		 at;		/* 0: only count */
	long		 count;
	bool		 counting;
	bool		 wait_usr1;
	const char	*only;		/* -o */
	bool		 kill, half;
	int		 errnum;
	FILE		*trace;
	pid_t		 child;
	int		 status;
	struct task	 tasks[TASKS_MAX];
};

static volatile sig_atomic_t	armed, passed_on;

static void
on_signal(int sig)
{
	if (sig == SIGUSR1)
		armed = 1;
	else if (sig != SIGALRM)
		passed_on = sig;
}

static void
die(const char *what)
{
	fprintf(stderr, "sysfault: %s: %s\n", what, strerror(errno));
	exit(77);
}

/* --- The child: the filter, then the command. --- */

/*
 * Two instructions for each call of the table. open() stops too when it only
 * reads: the filter cannot see openat's flags without more code, and a look
 * at them is cheap.
 */
static void
install_filter(void)
{
	struct sock_filter code[2 * CALLS_MAX + 4];
	struct sock_fprog  prog = { 0, code };
	size_t		   i;
	unsigned short	   n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	    offsetof(struct seccomp_data, nr));
	for (i = 0; i < calls_count; i++) {
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ |
		    BPF_K, (unsigned)calls[i].nr, 0, 1);
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
		    SECCOMP_RET_TRACE);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
	    SECCOMP_RET_ALLOW);
	prog.len = n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) != 0)
		die("seccomp");
}

static void
run_child(char **argv)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		die("ptrace");
	raise(SIGSTOP);
	install_filter();
	execvp(argv[0], argv);
	fprintf(stderr, "sysfault: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* --- Tasks. --- */

static struct task *
task_of(struct sysfault *s, pid_t tid)
{
	struct task *free_one = NULL;
	size_t	     i;

	for (i = 0; i < TASKS_MAX; i++) {
		if (s->tasks[i].tid == tid)
			return &s->tasks[i];
		if (s->tasks[i].tid == 0 && free_one == NULL)
			free_one = &s->tasks[i];
	}
	if (free_one == NULL) {
		fprintf(stderr, "sysfault: too many threads\n");
		exit(77);
	}
	free_one->tid = tid;
	free_one->in_call = false;
	return free_one;
}

static void
kill_all(struct sysfault *s)
{
	size_t i;

	for (i = 0; i < TASKS_MAX; i++) {
		if (s->tasks[i].tid != 0)
			kill(s->tasks[i].tid, SIGKILL);
	}
}

/* --- What a call is about. --- */

/* A string of the other process; "?" if it cannot be read. */
static void
read_string(pid_t tid, unsigned long long address, char *out, size_t size)
{
	char	mem[64];
	ssize_t	n = -1;
	int	fd;

	snprintf(mem, sizeof(mem), "/proc/%d/mem", (int)tid);
	fd = open(mem, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = pread(fd, out, size - 1, (off_t)address);
		close(fd);
	}
	snprintf(out + MAX(n, 0), size - (size_t)MAX(n, 0), "%s",
	    n <= 0 ? "?" : "");
}

/* What a descriptor is: a path, "socket:[1]", "pipe:[2]". */
static void
read_fd(pid_t tid, int fd, char *out, size_t size)
{
	char	link[64];
	ssize_t	n;

	if (fd == AT_FDCWD)
		snprintf(link, sizeof(link), "/proc/%d/cwd", (int)tid);
	else
		snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)tid, fd);
	n = readlink(link, out, size - 1);
	out[MAX(n, 0)] = '\0';
}

static void
read_path(pid_t tid, int dirfd, unsigned long long address, char *out,
    size_t size)
{
	char	name[PATHS_MAX / 4], dir[PATHS_MAX / 4];

	read_string(tid, address, name, sizeof(name));
	if (name[0] == '/') {
		snprintf(out, size, "%s", name);
		return;
	}
	read_fd(tid, dirfd, dir, sizeof(dir));
	snprintf(out, size, "%s/%s", dir, name);
}

/*
 * Writes what the call is about; false if it changes nothing that outlives
 * the process, or is not asked for.
 */
static bool
describe(const struct sysfault *s, pid_t tid, const struct call *c,
    const struct user_regs_struct *r, char *out, size_t size)
{
	char	a[PATHS_MAX / 2] = "", b[PATHS_MAX / 2] = "";
	size_t	n = strlen(c->name);
	const char *p;

	switch (c->kind) {
	case CALL_OPEN:
		if ((r->rsi & (O_CREAT | O_TRUNC)) == 0)
			return false;
		read_path(tid, AT_FDCWD, r->rdi, a, sizeof(a));
		break;
	case CALL_OPENAT:
		if ((r->rdx & (O_CREAT | O_TRUNC)) == 0)
			return false;
		read_path(tid, (int)r->rdi, r->rsi, a, sizeof(a));
		break;
	case CALL_FD:
		read_fd(tid, (int)r->rdi, a, sizeof(a));
		if ((int)r->rdi <= STDERR_FILENO ||
		    (a[0] != '/' && strncmp(a, "socket:", 7) != 0) ||
		    strncmp(a, "/dev/", 5) == 0)
			return false;
		break;
	case CALL_PATH:
		read_path(tid, AT_FDCWD, r->rdi, a, sizeof(a));
		break;
	case CALL_AT:
		if (r->rsi == 0)
			read_fd(tid, (int)r->rdi, a, sizeof(a));
		else
			read_path(tid, (int)r->rdi, r->rsi, a, sizeof(a));
		break;
	case CALL_PATHS:
		read_path(tid, AT_FDCWD, r->rdi, a, sizeof(a));
		read_path(tid, AT_FDCWD, r->rsi, b, sizeof(b));
		break;
	case CALL_ATS:
		read_path(tid, (int)r->rdi, r->rsi, a, sizeof(a));
		read_path(tid, (int)r->rdx, r->r10, b, sizeof(b));
		break;
	}
	snprintf(out, size, "%s%s%s", a, b[0] == '\0' ? "" : " ", b);
	for (p = s->only; p != NULL; p = strchr(p, ',')) {
		p += *p == ',';
		if (strncmp(p, c->name, n) == 0 && strchr(",", p[n]) != NULL)
			return true;
	}
	return s->only == NULL;
}

/* --- Stops. --- */

static void
trace_end(struct sysfault *s, struct task *t, const char *result)
{
	if (t->line[0] != '\0' && s->trace != NULL) {
		fprintf(s->trace, "%s %s\n", t->line, result);
		fflush(s->trace);
	}
	t->line[0] = '\0';
	t->in_call = false;
}

/*
 * A disk's error on a socket would be a lie that no kernel tells: the other
 * side is still there, and who trusts in that waits for it. So the connection
 * is broken, and the error that of a broken one. Returns the error.
 */
static int
break_socket(const struct sysfault *s, pid_t tid, int fd, const struct call *c)
{
	char	what[64];
	int	pidfd, copy;

	if (c->kind != CALL_FD || s->errnum == EINTR)
		return s->errnum;
	read_fd(tid, fd, what, sizeof(what));
	if (strncmp(what, "socket:", 7) != 0)
		return s->errnum;
	pidfd = (int)syscall(SYS_pidfd_open, s->child, 0);
	copy = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	if (copy >= 0) {
		shutdown(copy, SHUT_RDWR);
		close(copy);
	}
	if (pidfd >= 0)
		close(pidfd);
	return ECONNRESET;
}

/* Changes the call that is about to be made. */
static void
spoil(struct sysfault *s, pid_t tid, const struct call *c,
    struct user_regs_struct *r)
{
	if (s->half) {
		if (c->length == 2 && r->rdx > 1)
			r->rdx /= 2;
	} else {
		r->orig_rax = (unsigned long long)-1;
		r->rax = (unsigned long long)-break_socket(s, tid,
		    (int)r->rdi, c);
	}
	if (ptrace(PTRACE_SETREGS, tid, NULL, r) != 0)
		die("ptrace setregs");
}

/* A stop before a call. Returns how the task goes on. */
static int
before_call(struct sysfault *s, struct task *t)
{
	struct user_regs_struct r;
	const struct call	*c;
	char			 about[PATHS_MAX];

	if (!s->counting || ptrace(PTRACE_GETREGS, t->tid, NULL, &r) != 0)
		return PTRACE_CONT;
	c = call_find((long)r.orig_rax);
	if (c == NULL || !describe(s, t->tid, c, &r, about, sizeof(about)))
		return PTRACE_CONT;
	s->count++;
	snprintf(t->line, sizeof(t->line), "%ld %d %s %s", s->count,
	    (int)t->tid, c->name, about);
	t->in_call = true;
	if (s->count == s->at) {
		if (s->kill) {
			trace_end(s, t, "killed");
			kill_all(s);
			return -1;
		}
		spoil(s, t->tid, c, &r);
		/* No way out of a call that is not made. */
		if (!s->half) {
			trace_end(s, t, "spoiled");
			return PTRACE_CONT;
		}
	}
	return s->trace == NULL ? PTRACE_CONT : PTRACE_SYSCALL;
}

static void
after_call(struct sysfault *s, struct task *t)
{
	struct user_regs_struct r;
	char	result[32];

	if (!t->in_call || ptrace(PTRACE_GETREGS, t->tid, NULL, &r) != 0)
		return;
	snprintf(result, sizeof(result), "%lld", (long long)r.rax);
	trace_end(s, t, result);
}

static void
on_end(struct sysfault *s, struct task *t, int status)
{
	trace_end(s, t, "-");
	if (t->tid == s->child)
		s->status = WIFEXITED(status) ? WEXITSTATUS(status) :
		    128 + WTERMSIG(status);
	t->tid = 0;
}

static void
on_stop(struct sysfault *s, struct task *t, int status)
{
	int	sig = WSTOPSIG(status), event = status >> 16, how = PTRACE_CONT;

	if (sig == (SIGTRAP | 0x80)) {
		after_call(s, t);
		sig = 0;
	} else if (sig == SIGTRAP && event == PTRACE_EVENT_SECCOMP) {
		how = before_call(s, t);
		sig = 0;
	} else if (sig == SIGTRAP && event != 0) {
		sig = 0;
	} else if (sig == SIGSTOP && event == 0) {
		/* The first stop of a new thread. */
		sig = 0;
	}
	if (how != -1)
		ptrace(how, t->tid, NULL, (void *)(intptr_t)sig);
}

static void
look_at_signals(struct sysfault *s)
{
	if (armed && !s->counting) {
		s->counting = true;
		puts("armed");
		fflush(stdout);
	}
	if (passed_on != 0) {
		kill(s->child, passed_on);
		passed_on = 0;
	}
}

static void
follow(struct sysfault *s)
{
	const long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE |
	    PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC |
	    PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
	pid_t	tid;
	int	status;

	do {
		tid = waitpid(s->child, &status, 0);
	} while (tid < 0 && errno == EINTR);
	if (tid != s->child || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, s->child, NULL, (void *)options) != 0)
		die("ptrace");
	task_of(s, s->child);
	ptrace(PTRACE_CONT, s->child, NULL, NULL);
	for (;;) {
		look_at_signals(s);
		tid = waitpid(-1, &status, __WALL);
		if (tid < 0 && errno == EINTR)
			continue;
		if (tid < 0)
			return;
		if (WIFSTOPPED(status))
			on_stop(s, task_of(s, tid), status);
		else
			on_end(s, task_of(s, tid), status);
	}
}

static int
set_action(struct sysfault *s, const char *name)
{
	static const struct {
		const char	*name;
		int		 errnum;
	} errors[] = {
		{ "ENOSPC", ENOSPC }, { "EIO", EIO }, { "EINTR", EINTR },
		{ "EDQUOT", EDQUOT }, { "EROFS", EROFS },
		{ "ECONNRESET", ECONNRESET }
	};
	size_t	i;

	s->kill = strcmp(name, "kill") == 0;
	s->half = strcmp(name, "short") == 0;
	for (i = 0; i < ARRAY_LEN(errors); i++) {
		if (strcmp(errors[i].name, name) == 0)
			s->errnum = errors[i].errnum;
	}
	return s->kill || s->half || s->errnum != 0 ? 0 : -1;
}

static int
usage(void)
{
	fputs("usage: sysfault [-n N] [-a kill|short|ENOSPC|EIO|EINTR] "
	    "[-o calls] [-t trace] [-u] command...\n", stderr);
	return 2;
}

int
main(int argc, char **argv)
{
	static struct sysfault s;
	struct sigaction sa = { .sa_handler = on_signal };
	/* A signal that comes just before waitpid() waits no longer. */
	const struct itimerval often = { { 0, 20000 }, { 0, 20000 } };
	int	opt;

	s.kill = true;
	while ((opt = getopt(argc, argv, "+n:a:o:t:u")) != -1) {
		switch (opt) {
		case 'n':
			s.at = strtol(optarg, NULL, 10);
			break;
		case 'a':
			if (set_action(&s, optarg) != 0)
				return usage();
			break;
		case 'o':
			s.only = optarg;
			break;
		case 't':
			s.trace = fopen(optarg, "we");
			if (s.trace == NULL)
				die(optarg);
			break;
		case 'u':
			s.wait_usr1 = true;
			break;
		default:
			return usage();
		}
	}
	if (optind == argc)
		return usage();
	s.counting = !s.wait_usr1;
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
	s.child = fork();
	if (s.child < 0)
		die("fork");
	if (s.child == 0)
		run_child(argv + optind);
	setitimer(ITIMER_REAL, &often, NULL);
	follow(&s);
	if (s.trace != NULL) {
		fprintf(s.trace, "exit %d\n", s.status);
		fclose(s.trace);
	}
	return s.status;
}

#else

int
main(void)
{
	fputs("sysfault: not on this machine\n", stderr);
	return 77;
}

#endif
