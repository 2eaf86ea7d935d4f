/* SPDX-License-Identifier: MIT */
/*
 * reap - runs a command and adopts what it leaves behind.
 * usage: reap command [argument]...
 *
 * pgBackRest's asynchronous helpers leave their parent; here they become
 * children of this process (PR_SET_CHILD_SUBREAPER), so that all processor
 * time of the command is in the tree below it: that of the living, and that
 * of the dead in their parents' accounts. Ends, with its status, when the
 * command has ended.
 */
#include "common/base.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	pid_t	child, pid;
	int	status;

	if (argc < 2 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
		fprintf(stderr, "usage: reap command [argument]...\n");
		return 2;
	}
	child = fork();
	if (child == 0) {
		execvp(argv[1], argv + 1);
		fprintf(stderr, "reap: %s: %s\n", argv[1], strerror(errno));
		_exit(127);
	}
	while ((pid = wait(&status)) != child)
		if (pid < 0 && errno != EINTR)
			return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
