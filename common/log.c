/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "common/err.h"

/*
 * The lock keeps the descriptor from being closed by a rotation while
 * another thread writes to it. It is held for one write(2).
 */
static struct {
	pthread_mutex_t	lock;
	int		fd;		/* the log file, or -1 */
	bool		to_stderr;
	bool		to_syslog;
	atomic_int	verbose;
} out = { PTHREAD_MUTEX_INITIALIZER, -1, true, false, 0 };

static const struct {
	const char	*name;
	int		 priority;
} levels[] = {
	[LV_FATAL] =	{ "FATAL",	LOG_CRIT },
	[LV_ERROR] =	{ "ERROR",	LOG_ERR },
	[LV_WARNING] =	{ "WARNING",	LOG_WARNING },
	[LV_LOG] =	{ "LOG",	LOG_INFO },
	[LV_DEBUG] =	{ "DEBUG",	LOG_DEBUG },
	[LV_NOISE] =	{ "NOISE",	LOG_DEBUG },
};

static const struct {
	const char	*name;
	int		 value;
} facilities[] = {
	{ "auth", LOG_AUTH }, { "authpriv", LOG_AUTHPRIV },
	{ "daemon", LOG_DAEMON }, { "user", LOG_USER },
	{ "local0", LOG_LOCAL0 }, { "local1", LOG_LOCAL1 },
	{ "local2", LOG_LOCAL2 }, { "local3", LOG_LOCAL3 },
	{ "local4", LOG_LOCAL4 }, { "local5", LOG_LOCAL5 },
	{ "local6", LOG_LOCAL6 }, { "local7", LOG_LOCAL7 },
};

static int
find_facility(const char *name, int *value)
{
	size_t	i;

	for (i = 0; i < ARRAY_LEN(facilities); i++) {
		if (strcmp(facilities[i].name, name) == 0) {
			*value = facilities[i].value;
			return 0;
		}
	}
	return ERR_CONFIG;
}

int
log_open(const struct log_target *t, struct err *e)
{
	int	facility = LOG_DAEMON;
	int	fd = -1;
	int	old;

	if (t->to_syslog && t->syslog_facility != NULL &&
	    find_facility(t->syslog_facility, &facility) != 0)
		return err_set(e, ERR_CONFIG, "unknown syslog facility \"%s\"",
		    t->syslog_facility);
	if (t->file != NULL && t->file[0] != '\0') {
		fd = open(t->file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
		    0644);
		if (fd < 0)
			return err_sys(e, errno, "cannot open logfile \"%s\"",
			    t->file);
	}
	pthread_mutex_lock(&out.lock);
	old = out.fd;
	out.fd = fd;
	out.to_stderr = t->to_stderr;
	if (out.to_syslog)
		closelog();
	out.to_syslog = t->to_syslog;
	if (t->to_syslog)
		openlog(t->syslog_ident, LOG_PID, facility);
	pthread_mutex_unlock(&out.lock);
	if (old >= 0)
		close(old);
	return 0;
}

void
log_close(void)
{
	pthread_mutex_lock(&out.lock);
	if (out.fd >= 0)
		close(out.fd);
	if (out.to_syslog)
		closelog();
	out.fd = -1;
	out.to_stderr = true;
	out.to_syslog = false;
	pthread_mutex_unlock(&out.lock);
}

void
log_set_verbose(int verbose)
{
	atomic_store_explicit(&out.verbose, verbose, memory_order_relaxed);
}

int
log_verbose(void)
{
	return atomic_load_explicit(&out.verbose, memory_order_relaxed);
}

bool
log_wants(enum log_level level)
{
	return (int)level <= (int)LV_LOG + log_verbose();
}

/* "2026-07-10 22:19:13.123 UTC [4711] LOG "; returns its length. */
static size_t
put_prefix(char *line, size_t size, enum log_level level)
{
	struct timespec	ts;
	struct tm	tm;
	char		date[32], zone[16];
	int		n;

	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%Z", &tm);
	n = snprintf(line, size, "%s.%03d %s [%d] %s ", date,
	    (int)(ts.tv_nsec / 1000000), zone, (int)getpid(),
	    levels[level].name);
	return n < 0 ? 0 : (size_t)n;
}

/*
 * Appends the message with a tab after each newline; control characters,
 * which may come from a peer, become '?'. Returns the new length.
 */
static size_t
put_message(char *line, size_t len, size_t size, const char *msg)
{
	for (; *msg != '\0' && len < size - 2; msg++) {
		unsigned char c = (unsigned char)*msg;

		if (c == '\n' && msg[1] == '\0')
			break;
		line[len++] = c < 0x20 && c != '\n' && c != '\t' ? '?' : *msg;
		if (c == '\n')
			line[len++] = '\t';
	}
	line[len++] = '\n';
	return len;
}

/* A log that cannot be written must not stop the program. */
static void
write_all(int fd, const char *line, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, line, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		line += n;
		len -= (size_t)n;
	}
}

void
log_line(enum log_level level, const char *fmt, ...)
{
	char	msg[LOG_LINE_MAX];
	char	line[LOG_LINE_MAX + 128];
	size_t	len;
	va_list	ap;
	int	saved = errno;

	if (!log_wants(level))
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	len = put_prefix(line, sizeof(line), level);
	len = put_message(line, len, sizeof(line), msg);
	pthread_mutex_lock(&out.lock);
	if (out.to_stderr)
		write_all(STDERR_FILENO, line, len);
	if (out.fd >= 0)
		write_all(out.fd, line, len);
	if (out.to_syslog && level <= LV_LOG)
		syslog(levels[level].priority, "%s", msg);
	pthread_mutex_unlock(&out.lock);
	errno = saved;
}
