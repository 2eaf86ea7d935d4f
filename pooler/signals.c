/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/err.h"
#include "common/log.h"
#include "common/poller.h"
#include "pooler/control.h"
#include "pooler/pause.h"
#include "pooler/reload.h"

struct signals {
	struct poller_watch watch;
	struct control	   *control;
};

static bool
shutting_down(const struct control *p)
{
	return atomic_load(&p->shared.shutdown) != SHUTDOWN_NONE;
}

static void
on_hup(struct control *p)
{
	struct err e = { 0 };

	log_info("got SIGHUP, re-reading config");
	if (reload_files(p, &e) != 0 && e.hint[0] != '\0')
		log_info("%s", e.hint);
}

static void
on_end(struct control *p, const char *name, enum shutdown_mode mode,
    const char *waits_for)
{
	if (shutting_down(p)) {
		log_info("got %s while shutting down, fast exit", name);
		pause_shutdown(p, SHUTDOWN_IMMEDIATE);
		return;
	}
	log_info("got %s, shutting down, waiting for all %s", name,
	    waits_for);
	pause_shutdown(p, mode);
}

static void
on_usr1(struct control *p)
{
	if (atomic_load(&p->shared.paused)) {
		log_info("got SIGUSR1, but already paused");
		return;
	}
	log_info("got SIGUSR1, pausing all activity");
	pause_all(p);
}

static void
on_usr2(struct control *p)
{
	if (shutting_down(p)) {
		log_info("got SIGUSR2 while shutting down, ignoring");
	} else if (!atomic_load(&p->shared.paused)) {
		log_info("got SIGUSR2, but not paused");
	} else {
		log_info("got SIGUSR2, continuing from PAUSE");
		pause_resume_all(p);
	}
}

static void
handle(struct control *p, uint32_t signo)
{
	switch (signo) {
	case SIGHUP:
		on_hup(p);
		break;
	case SIGTERM:
		on_end(p, "SIGTERM", SHUTDOWN_WAIT_FOR_CLIENTS,
		    "clients disconnect");
		break;
	case SIGINT:
		on_end(p, "SIGINT", SHUTDOWN_WAIT_FOR_SERVERS,
		    "servers connections to be released");
		break;
	case SIGQUIT:
		log_info("got SIGQUIT, fast exit");
		pause_shutdown(p, SHUTDOWN_IMMEDIATE);
		break;
	case SIGUSR1:
		on_usr1(p);
		break;
	case SIGUSR2:
		on_usr2(p);
		break;
	default:
		break;
	}
}

static void
on_readable(struct poller_watch *w)
{
	struct signals *s = container_of(w, struct signals, watch);
	struct signalfd_siginfo info;

	while (read(w->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		handle(s->control, info.ssi_signo);
}

int
signals_new(struct control *p, struct signals **out, struct err *e)
{
	static const int	taken[] = { SIGHUP, SIGTERM, SIGINT, SIGQUIT,
	    SIGUSR1, SIGUSR2 };
	struct signals *s = calloc(1, sizeof(*s));
	sigset_t	set;
	size_t		i;
	int		r;

	if (s == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	sigemptyset(&set);
	for (i = 0; i < ARRAY_LEN(taken); i++)
		sigaddset(&set, taken[i]);
	/* A write to a closed socket is an error we look at. */
	(void)signal(SIGPIPE, SIG_IGN);
	s->control = p;
	s->watch.fn = on_readable;
	r = pthread_sigmask(SIG_BLOCK, &set, NULL);
	s->watch.fd = r != 0 ? -1 : signalfd(-1, &set,
	    SFD_NONBLOCK | SFD_CLOEXEC);
	if (s->watch.fd < 0) {
		r = err_sys(e, r != 0 ? r : errno, "cannot receive signals");
		free(s);
		return r;
	}
	r = poller_watch_add(p->loop.poller, &s->watch);
	if (r != 0) {
		close(s->watch.fd);
		free(s);
		return err_sys(e, -r, "cannot receive signals");
	}
	*out = s;
	return 0;
}

void
signals_free(struct signals *s)
{
	if (s == NULL)
		return;
	poller_watch_remove(s->control->loop.poller, &s->watch);
	close(s->watch.fd);
	free(s);
}
