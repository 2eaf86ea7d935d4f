/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char	*name;
	const char	*text;
	int		 exit_status;
} err_table[] = {
#define X(name, exit_status, text) { #name, text, exit_status },
#include "common/err.def"
#undef X
};

static bool
is_ours(int code)
{
	return code <= ERR_FIRST && code >= ERR_LAST;
}

/*
 * Sets code and message and empties the hint. By way of a second buffer,
 * because an argument may be the old message.
 */
static void
format(struct err *e, int code, const char *fmt, va_list ap)
{
	char	msg[sizeof(e->msg)];

	vsnprintf(msg, sizeof(msg), fmt, ap);
	memcpy(e->msg, msg, sizeof(msg));
	e->code = code;
	e->hint[0] = '\0';
}

int
err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list	ap;

	if (e == NULL)
		return code;
	va_start(ap, fmt);
	format(e, code, fmt, ap);
	va_end(ap);
	return code;
}

static int
code_of_errno(int errnum)
{
	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
		return ERR_NOSPACE;
	case ENOENT:
		return ERR_NOT_FOUND;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERR_ACCESS;
	case EEXIST:
		return ERR_EXISTS;
	case ENOMEM:
		return ERR_NOMEM;
	case ETIMEDOUT:
		return ERR_TIMEOUT;
	default:
		return ERR_SYS;
	}
}

/* What to do about an errno that only a person can mend; "" else. */
static const char *
hint_of_errno(int errnum)
{
	switch (errnum) {
	case ENOSPC:
		return "make room on that file system (df -h, df -i)";
	case EDQUOT:
		return "the disk quota is used up: raise it, or make room";
	case EROFS:
		return "the file system is read-only: look for disk errors in "
		    "the kernel's log (dmesg), then mount it for writing";
	case EACCES:
	case EPERM:
		return "compare owner and mode of each part of the path "
		    "(namei -l) with the user that this runs as";
	case EIO:
		return "the disk fails: look into the kernel's log (dmesg)";
	case EMFILE:
	case ENFILE:
		return "raise the limit of open files (ulimit -n)";
	default:
		return "";
	}
}

int
err_sys(struct err *e, int errnum, const char *fmt, ...)
{
	char	text[128];
	size_t	len;
	va_list	ap;
	int	code = code_of_errno(errnum);

	if (e == NULL)
		return code;
	va_start(ap, fmt);
	format(e, code, fmt, ap);
	va_end(ap);
	len = strlen(e->msg);
	if (strerror_r(errnum, text, sizeof(text)) != 0)
		snprintf(text, sizeof(text), "error %d", errnum);
	snprintf(e->msg + len, sizeof(e->msg) - len, ": %s", text);
	snprintf(e->hint, sizeof(e->hint), "%s", hint_of_errno(errnum));
	return code;
}

int
err_wrap(struct err *e, const char *fmt, ...)
{
	char	msg[sizeof(e->msg)];
	size_t	len, rest;
	va_list	ap;

	if (e == NULL)
		return ERR_GENERAL;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	len = strlen(msg);
	/* What does not fit is cut from the end of the old text. */
	if (len + 2 < sizeof(msg)) {
		memcpy(msg + len, ": ", 2);
		len += 2;
		rest = MIN(strlen(e->msg), sizeof(msg) - len - 1);
		memcpy(msg + len, e->msg, rest);
		msg[len + rest] = '\0';
	}
	memcpy(e->msg, msg, sizeof(msg));
	return e->code;
}

int
err_hint(struct err *e, const char *fmt, ...)
{
	char	hint[sizeof(e->hint)];
	va_list	ap;

	if (e == NULL)
		return ERR_GENERAL;
	va_start(ap, fmt);
	vsnprintf(hint, sizeof(hint), fmt, ap);
	va_end(ap);
	memcpy(e->hint, hint, sizeof(hint));
	return e->code;
}

const char *
err_text(int code)
{
	static _Thread_local char text[128];

	if (is_ours(code))
		return err_table[ERR_FIRST - code].text;
	if (code < 0 && code > -4096) {
		if (strerror_r(-code, text, sizeof(text)) == 0)
			return text;
	}
	return code == 0 ? "success" : "unknown error";
}

const char *
err_name(int code)
{
	return is_ours(code) ? err_table[ERR_FIRST - code].name : "ERR_?";
}

int
err_exit_status(int code)
{
	if (code == 0)
		return 0;
	return is_ours(code) ? err_table[ERR_FIRST - code].exit_status : 1;
}
