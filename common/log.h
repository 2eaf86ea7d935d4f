/* SPDX-License-Identifier: MIT */
/*
 * log - one line per event, in PgBouncer's format.
 *
 *   2026-07-10 22:19:13.123 UTC [4711] LOG C-0x55d0c2: db/user@... message
 *
 * Local time with the zone's abbreviation, process id, level, message; a
 * newline in a message becomes newline + tab, so that a line that starts
 * with a date is always the start of an event. Each line is one write(2),
 * so lines of several threads never mix; nothing is allocated, a line over
 * LOG_LINE_MAX bytes is cut. Callers never pass secrets.
 *
 * This is the one module with process-wide state (where to write, which
 * levels): a message must be possible from anywhere. All functions may be
 * called from any thread; log_open() and log_close() from one at a time.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include "common/base.h"

struct err;

#define LOG_LINE_MAX	4096

enum log_level {
	LV_FATAL,		/* the program ends */
	LV_ERROR,
	LV_WARNING,
	LV_LOG,		/* the normal level */
	LV_DEBUG,		/* -v */
	LV_NOISE		/* -v -v */
};

/* Where lines go; all may be on. */
struct log_target {
	bool		 to_stderr;
	const char	*file;		/* NULL or "": none; appended to */
	bool		 to_syslog;	/* LV_LOG and above, message only */
	const char	*syslog_ident;	/* must stay valid until log_close() */
	const char	*syslog_facility; /* "daemon", "local0", ... */
};

/*
 * Opens what the target names, then replaces the present target by it; on
 * an error nothing changes. Opening the same file again is how a log is
 * rotated. Before the first call lines go to stderr. Errors: ERR_CONFIG for
 * an unknown facility, err_sys()'s for the file.
 */
int	log_open(const struct log_target *t, struct err *e) MUST_CHECK;

/* Closes file and syslog; lines go to stderr again. */
void	log_close(void);

/* 0 = up to LV_LOG (the default), 1 adds LV_DEBUG, 2 LV_NOISE. */
void	log_set_verbose(int verbose);
int	log_verbose(void);

/* True if a line of this level would be written. */
bool	log_wants(enum log_level level);

/* Writes a line if the level is wanted. errno is preserved. */
void	log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_fatal(...)		log_line(LV_FATAL, __VA_ARGS__)
#define log_error(...)		log_line(LV_ERROR, __VA_ARGS__)
#define log_warning(...)	log_line(LV_WARNING, __VA_ARGS__)
#define log_info(...)		log_line(LV_LOG, __VA_ARGS__)
#define log_debug(...) \
	do { if (log_wants(LV_DEBUG)) log_line(LV_DEBUG, __VA_ARGS__); } while (0)
#define log_noise(...) \
	do { if (log_wants(LV_NOISE)) log_line(LV_NOISE, __VA_ARGS__); } while (0)

#endif /* COMMON_LOG_H */
