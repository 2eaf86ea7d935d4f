/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "homelabctl/interrupt.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"

/* How a child that runs `fn` ends; a signal n is 1000 + n. */
static int
end_of(void (*fn)(void))
{
	pid_t	pid = fork();
	int	how;

	if (pid == 0) {
		fn();
		_exit(0);
	}
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &how, 0), pid);
	return WIFEXITED(how) ? WEXITSTATUS(how) : 1000 + WTERMSIG(how);
}

static void
not_caught(void)
{
	/* Check has a handler of its own. */
	signal(SIGINT, SIG_DFL);
	raise(SIGINT);
}

static void
noted(void)
{
	interrupt_catch();
	if (interrupt_came(NULL))
		_exit(1);
	raise(SIGHUP);
	if (!interrupt_came(NULL))
		_exit(2);
	interrupt_forgive();
	if (interrupt_came(NULL))
		_exit(3);
}

static void
twice(void)
{
	interrupt_catch();
	raise(SIGINT);
	raise(SIGTERM);
}

/* A child that would wait for ever, told before or after it is known. */
static void
passed_on(bool before)
{
	sigset_t set, old;
	pid_t	pid;
	int	how;

	interrupt_catch();
	if (before)
		raise(SIGTERM);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	pid = fork();
	if (pid == 0) {
		signal(SIGTERM, SIG_DFL);
		sigprocmask(SIG_SETMASK, &old, NULL);
		for (;;)
			pause();
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	interrupt_child(pid);
	if (!before)
		kill(getpid(), SIGTERM);
	if (waitpid(pid, &how, 0) != pid || !WIFSIGNALED(how))
		_exit(1);
}

static void
passed_on_before(void)
{
	passed_on(true);
}

static void
passed_on_after(void)
{
	passed_on(false);
}

START_TEST(one_is_noted_two_end_it)
{
	ck_assert_int_eq(end_of(not_caught), 1000 + SIGINT);
	ck_assert_int_eq(end_of(noted), 0);
	ck_assert_int_eq(end_of(twice), INTERRUPT_STATUS);
}
END_TEST

START_TEST(the_child_is_told)
{
	ck_assert_int_eq(end_of(passed_on_before), 0);
	ck_assert_int_eq(end_of(passed_on_after), 0);
}
END_TEST

UNIT_MAIN("interrupt", one_is_noted_two_end_it, the_child_is_told)
