/* SPDX-License-Identifier: MIT */
/*
 * interrupt - Ctrl-C, SIGTERM and SIGHUP during work that leaves traces.
 *
 * The first signal is noted, said on stderr and passed on to the program
 * that is being waited for; whoever waits asks interrupt_came() a few times
 * a second, ends its step, and the verb says where things stand. The second
 * signal ends the process at once. Verbs that only ask do not call
 * interrupt_catch(): they die as any program does.
 *
 * Signals are the process's, so this module has state of its own.
 */
#ifndef HOMELABCTL_INTERRUPT_H
#define HOMELABCTL_INTERRUPT_H

#include "common/base.h"

#include <sys/types.h>

/* The exit status of a verb that was interrupted: 128 + SIGINT. */
#define INTERRUPT_STATUS	130

/* From now on signals are noted. */
void	interrupt_catch(void);

/* True once one came, until it is forgiven. The argument is for callbacks
 * (pgquery_set_limits()) and not used. */
bool	interrupt_came(void *unused);

/* What puts things in order must not be interrupted by the same signal. */
void	interrupt_forgive(void);

/* The program that is waited for, 0: none. The signal is passed on to it; one
 * from the terminal may reach it twice. */
void	interrupt_child(pid_t);

#endif /* HOMELABCTL_INTERRUPT_H */
