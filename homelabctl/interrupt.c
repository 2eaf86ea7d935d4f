/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "homelabctl/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

/* All of it is read and written by the handler. */
static atomic_int	signals;
static atomic_bool	forgiven;
static atomic_int	child;

static void
tell(const char *text, size_t len)
{
	/* Nothing can be done about a terminal that is gone. */
	if (write(STDERR_FILENO, text, len) < 0)
		return;
}

static void
on_signal(int signo)
{
	static const char first[] = "\nInterrupted; a second time ends at "
	    "once.\n", second[] = "\nEnded at once.\n";
	int	errnum = errno, pid;

	if (atomic_fetch_add(&signals, 1) > 0) {
		tell(second, sizeof(second) - 1);
		_exit(INTERRUPT_STATUS);
	}
	tell(first, sizeof(first) - 1);
	/*
	 * After the count, which interrupt_child() reads after it has named
	 * the child: one of the two sees the other. A terminal tells the child
	 * by itself, but not one that was just being made.
	 */
	pid = atomic_load(&child);
	if (pid > 0)
		(void)kill(pid, signo);
	errno = errnum;
}

void
interrupt_catch(void)
{
	static const int sigs[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_flags = SA_RESTART };
	size_t	i;

	sa.sa_handler = on_signal;
	sigfillset(&sa.sa_mask);
	for (i = 0; i < ARRAY_LEN(sigs); i++)
		(void)sigaction(sigs[i], &sa, NULL);
}

bool
interrupt_came(void *unused UNUSED)
{
	return atomic_load(&signals) > 0 && !atomic_load(&forgiven);
}

void
interrupt_forgive(void)
{
	atomic_store(&forgiven, true);
}

void
interrupt_child(pid_t pid)
{
	atomic_store(&child, (int)pid);
	/* The signal may have come before the child was known. */
	if (pid > 0 && interrupt_came(NULL))
		(void)kill(pid, SIGTERM);
}
