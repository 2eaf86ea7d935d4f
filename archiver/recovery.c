/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/recovery.h"

#include <stdio.h>
#include <string.h>

#include "archiver/label.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"

/* PostgreSQL's limit for the name of a restore point, with the NUL. */
#define NAME_MAX_PG	64

/* What we set, or what would stand against it. */
static const char *const settings[] = {
	"recovery_end_command", "recovery_min_apply_delay",
	"recovery_target", "recovery_target_action",
	"recovery_target_inclusive", "recovery_target_lsn",
	"recovery_target_name", "recovery_target_time",
	"recovery_target_timeline", "recovery_target_xid", "restore_command",
};

static bool
is_number(const char *s, uint64_t max)
{
	uint64_t	v = 0;

	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++) {
		if (!text_is_digit(*s))
			return false;
		if (v > (max - (uint64_t)(*s - '0')) / 10)
			return false;
		v = v * 10 + (uint64_t)(*s - '0');
	}
	return true;
}

static bool
needs_target(enum recovery_type type)
{
	return type == RECOVERY_TIME || type == RECOVERY_XID ||
	    type == RECOVERY_LSN || type == RECOVERY_NAME;
}

static int
check_target(const struct recovery *r, int64_t *time, uint64_t *lsn,
    struct err *e)
{
	int64_t		t;
	uint64_t	l;

	switch (r->type) {
	case RECOVERY_TIME:
		if (text_parse_rfc3339(r->target, &t) != 0) {
			err_set(e, ERR_USAGE,
			    "\"%s\" is not a time with a zone", r->target);
			return err_hint(e, "write it like "
			    "--target=\"2026-11-21 04:30:00+00\"");
		}
		if (time != NULL)
			*time = t;
		return 0;
	case RECOVERY_LSN:
		if (!lsn_parse(r->target, &l)) {
			err_set(e, ERR_USAGE, "\"%s\" is not an LSN",
			    r->target);
			return err_hint(e,
			    "write it like --target=1/6A000028");
		}
		if (lsn != NULL)
			*lsn = l;
		return 0;
	case RECOVERY_XID:
		if (is_number(r->target, UINT64_MAX - 9))
			return 0;
		err_set(e, ERR_USAGE, "\"%s\" is not a transaction id",
		    r->target);
		return err_hint(e, "write it like --target=7281");
	case RECOVERY_NAME:
		if (strlen(r->target) < NAME_MAX_PG)
			return 0;
		err_set(e, ERR_USAGE, "the name of a restore point has at most"
		    " %d bytes", NAME_MAX_PG - 1);
		return e == NULL ? ERR_USAGE : e->code;
	case RECOVERY_DEFAULT:
	case RECOVERY_IMMEDIATE:
	case RECOVERY_STANDBY:
	case RECOVERY_NONE:
	case RECOVERY_PRESERVE:
		break;
	}
	return 0;
}

/* The length of the name that a line of the file sets; 0 if none. */
static size_t
name_length(const char *line, const char *end)
{
	const char	*p = line;

	while (p < end && ((*p >= 'a' && *p <= 'z') ||
	    (*p >= 'A' && *p <= 'Z') || *p == '_' || *p == '.' ||
	    text_is_digit(*p)))
		p++;
	return (size_t)(p - line);
}

/* The length of the name in "name=value"; 0 if it is nothing like it. */
static size_t
option_name_length(const char *option)
{
	const char	*end = option + strlen(option);
	size_t		 n = name_length(option, end);

	return n < 64 && option[n] == '=' ? n : 0;
}

/* Settings that a type without recovery would not write. */
static int
check_unused(const struct recovery *r, struct err *e)
{
	if (r->type != RECOVERY_NONE && r->type != RECOVERY_PRESERVE)
		return 0;
	if (r->timeline != NULL) {
		return err_set(e, ERR_USAGE, "target-timeline has no meaning "
		    "with --type=none or preserve");
	}
	if (r->type == RECOVERY_PRESERVE &&
	    (r->archive_off || r->option_count > 0)) {
		err_set(e, ERR_USAGE, "--type=preserve writes no settings: "
		    "archive-mode and recovery-option have no effect");
		return err_hint(e, "leave them out, or set them yourself in "
		    "postgresql.auto.conf of the directory");
	}
	return 0;
}

int
recovery_check(const struct recovery *r, int64_t *time, uint64_t *lsn,
    struct err *e)
{
	bool	has_target = r->target != NULL && r->target[0] != '\0';
	size_t	i;

	if (needs_target(r->type) && !has_target) {
		err_set(e, ERR_USAGE, "this type of restore needs a target");
		return err_hint(e, "add --target=...");
	}
	if (!needs_target(r->type) && has_target) {
		err_set(e, ERR_USAGE, "a target was given, but the type of the"
		    " restore has none");
		return err_hint(e, "add --type=time, xid, lsn or name");
	}
	if (r->exclusive && (!needs_target(r->type) ||
	    r->type == RECOVERY_NAME)) {
		return err_set(e, ERR_USAGE, "target-exclusive needs --type="
		    "time, xid or lsn");
	}
	if (r->action != NULL && !needs_target(r->type) &&
	    r->type != RECOVERY_IMMEDIATE) {
		return err_set(e, ERR_USAGE,
		    "target-action needs a type with a target");
	}
	if (r->action != NULL && strcmp(r->action, "pause") != 0 &&
	    strcmp(r->action, "promote") != 0 &&
	    strcmp(r->action, "shutdown") != 0) {
		err_set(e, ERR_USAGE, "\"%s\" is not a target-action",
		    r->action);
		return err_hint(e, "it is pause, promote or shutdown");
	}
	if (r->timeline != NULL && strcmp(r->timeline, "latest") != 0 &&
	    strcmp(r->timeline, "current") != 0 &&
	    !is_number(r->timeline, UINT32_MAX)) {
		err_set(e, ERR_USAGE, "\"%s\" is not a timeline", r->timeline);
		return err_hint(e, "it is latest, current or a number");
	}
	for (i = 0; i < r->option_count; i++) {
		if (option_name_length(r->options[i]) > 0)
			continue;
		err_set(e, ERR_USAGE, "\"%s\" is not a setting",
		    r->options[i]);
		return err_hint(e, "write it like --recovery-option="
		    "recovery_min_apply_delay=5min");
	}
	if (check_unused(r, e) != 0)
		return e == NULL ? ERR_USAGE : e->code;
	return check_target(r, time, lsn, e);
}

static bool
is_ours(const char *name, size_t n)
{
	char	word[64];
	size_t	i;

	if (n == 0 || n >= sizeof(word))
		return false;
	memcpy(word, name, n);
	word[n] = '\0';
	for (i = 0; i < ARRAY_LEN(settings); i++) {
		if (text_equal_nocase(word, settings[i]))
			return true;
	}
	return false;
}

/* The old text, with what would clash commented out. */
static void
copy_settings(const char *text, size_t n, struct buf *out)
{
	const char	*p = text, *end = text + n, *eol, *name;

	while (p < end) {
		eol = memchr(p, '\n', (size_t)(end - p));
		if (eol == NULL)
			eol = end;
		for (name = p; name < eol && text_is_blank(*name); name++)
			;
		if (is_ours(name, name_length(name, eol)))
			buf_append_str(out, "# ");
		buf_append(out, p, (size_t)(eol - p));
		buf_append_u8(out, '\n');
		p = eol == end ? end : eol + 1;
	}
}

/* name = 'value', with PostgreSQL's escapes. */
static void
put(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "%s = '", name);
	for (; *value != '\0'; value++) {
		if (*value == '\'' || *value == '\\')
			buf_append_u8(out, (uint8_t)*value);
		if (*value != '\n')
			buf_append_u8(out, (uint8_t)*value);
	}
	buf_append_str(out, "'\n");
}

/*
 * With a numeric offset: at the time PostgreSQL reads its configuration it
 * knows no zone by name yet, not even Z.
 */
static void
put_time(struct buf *out, const char *target)
{
	char	stamp[TEXT_STAMP_MAX], *z;
	int64_t	time;

	if (text_parse_rfc3339(target, &time) != 0)
		return;		/* recovery_check() saw to it */
	text_print_rfc3339(time, stamp);
	z = strchr(stamp, 'Z');
	if (z != NULL)
		*z = '\0';
	buf_printf(out, "recovery_target_time = '%s+00'\n", stamp);
}

static void
put_target(const struct recovery *r, struct buf *out)
{
	switch (r->type) {
	case RECOVERY_IMMEDIATE:
		put(out, "recovery_target", "immediate");
		break;
	case RECOVERY_TIME:
		put_time(out, r->target);
		break;
	case RECOVERY_XID:
		put(out, "recovery_target_xid", r->target);
		break;
	case RECOVERY_LSN:
		put(out, "recovery_target_lsn", r->target);
		break;
	case RECOVERY_NAME:
		put(out, "recovery_target_name", r->target);
		break;
	case RECOVERY_DEFAULT:
	case RECOVERY_STANDBY:
	case RECOVERY_NONE:
	case RECOVERY_PRESERVE:
		break;
	}
}

void
recovery_settings(const struct recovery *r, const char *label,
    const char *text, size_t n, struct buf *out)
{
	char	name[64];
	size_t	i;

	copy_settings(text, n, out);
	buf_printf(out, "# restored from backup %s by homelab-archiver\n",
	    label);
	if (r->restore_command != NULL && r->type != RECOVERY_NONE)
		put(out, "restore_command", r->restore_command);
	put_target(r, out);
	if (r->exclusive)
		put(out, "recovery_target_inclusive", "false");
	if (r->action != NULL)
		put(out, "recovery_target_action", r->action);
	/*
	 * "immediate" means the backup as it is: to look for newer
	 * timelines could only lead away from it.
	 */
	if (r->timeline != NULL)
		put(out, "recovery_target_timeline", r->timeline);
	else if (r->type == RECOVERY_IMMEDIATE)
		put(out, "recovery_target_timeline", "current");
	if (r->archive_off)
		put(out, "archive_mode", "off");
	for (i = 0; i < r->option_count; i++) {
		n = option_name_length(r->options[i]);
		snprintf(name, sizeof(name), "%.*s", (int)n, r->options[i]);
		put(out, name, r->options[i] + n + 1);
	}
}

const char *
recovery_signal_file(const struct recovery *r)
{
	if (r->type == RECOVERY_NONE || r->type == RECOVERY_PRESERVE)
		return NULL;
	return r->type == RECOVERY_STANDBY ? "standby.signal" :
	    "recovery.signal";
}
