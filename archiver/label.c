/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/label.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"

#define STAMP_LEN	15	/* 20251123-020000 */

void
label_full(char out[LABEL_MAX], time_t t)
{
	struct tm	tm;

	gmtime_r(&t, &tm);
	snprintf(out, LABEL_MAX, "%04d%02d%02d-%02d%02d%02dF",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
	    tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static int
two_digits(const char *s)
{
	return (s[0] - '0') * 10 + (s[1] - '0');
}

static bool
is_stamp(const char *s)
{
	int	i;

	for (i = 0; i < STAMP_LEN; i++) {
		if (i == 8 ? s[i] != '-' : s[i] < '0' || s[i] > '9')
			return false;
	}
	return two_digits(s + 4) >= 1 && two_digits(s + 4) <= 12 &&
	    two_digits(s + 6) >= 1 && two_digits(s + 6) <= 31 &&
	    two_digits(s + 9) <= 23 && two_digits(s + 11) <= 59 &&
	    two_digits(s + 13) <= 60;
}

bool
label_parse(const char *label, enum label_type *type, char full[LABEL_MAX])
{
	size_t		len = strlen(label);
	enum label_type	t;

	if (len < STAMP_LEN + 1 || !is_stamp(label) || label[STAMP_LEN] != 'F')
		return false;
	if (len == STAMP_LEN + 1) {
		t = LABEL_FULL;
	} else {
		if (len != 2 * (STAMP_LEN + 1) + 1 ||
		    label[STAMP_LEN + 1] != '_' ||
		    !is_stamp(label + STAMP_LEN + 2))
			return false;
		if (label[len - 1] != 'D' && label[len - 1] != 'I')
			return false;
		t = label[len - 1] == 'D' ? LABEL_DIFF : LABEL_INCR;
	}
	if (type != NULL)
		*type = t;
	if (full != NULL) {
		memcpy(full, label, STAMP_LEN + 1);
		full[STAMP_LEN + 1] = '\0';
	}
	return true;
}

const char *
label_type_text(enum label_type type)
{
	switch (type) {
	case LABEL_FULL:
		return "full";
	case LABEL_DIFF:
		return "diff";
	case LABEL_INCR:
		return "incr";
	}
	return "unknown";
}

/* Up to 8 hexadecimal digits at *s, which moves behind them. */
static bool
hex32(const char **s, const char *end, uint32_t *v)
{
	const char	*p = *s;
	uint32_t	 r = 0;
	int		 digit;

	for (; p < end && p - *s < 8; p++) {
		if (*p >= '0' && *p <= '9')
			digit = *p - '0';
		else if (*p >= 'a' && *p <= 'f')
			digit = *p - 'a' + 10;
		else if (*p >= 'A' && *p <= 'F')
			digit = *p - 'A' + 10;
		else
			break;
		r = r << 4 | (uint32_t)digit;
	}
	if (p == *s)
		return false;
	*s = p;
	*v = r;
	return true;
}

static bool
lsn_scan(const char **s, const char *end, uint64_t *lsn)
{
	uint32_t	high, low;

	if (!hex32(s, end, &high) || *s == end || **s != '/')
		return false;
	(*s)++;
	if (!hex32(s, end, &low))
		return false;
	*lsn = (uint64_t)high << 32 | low;
	return true;
}

bool
lsn_parse(const char *text, uint64_t *lsn)
{
	const char	*p = text, *end = text + strlen(text);
	uint64_t	 v;

	if (!lsn_scan(&p, end, &v) || p != end)
		return false;
	*lsn = v;
	return true;
}

char *
lsn_format(char out[LSN_MAX], uint64_t lsn)
{
	snprintf(out, LSN_MAX, "%X/%X", (unsigned)(lsn >> 32), (unsigned)lsn);
	return out;
}

/* If the line starts with `key`, sets *value behind it. */
static bool
has_key(const char *line, const char *end, const char *key, const char **value)
{
	size_t	n = strlen(key);

	if ((size_t)(end - line) < n || memcmp(line, key, n) != 0)
		return false;
	*value = line + n;
	return true;
}

static bool
equals(const char *p, const char *end, const char *text)
{
	size_t	n = strlen(text);

	return (size_t)(end - p) == n && memcmp(p, text, n) == 0;
}

/* "0/2000028 (file 000000010000000000000002)" */
static bool
parse_start(struct backup_label *l, const char *p, const char *end)
{
	static const char open[] = " (file ";
	size_t		n;

	if (!lsn_scan(&p, end, &l->start_lsn))
		return false;
	n = sizeof(open) - 1;
	if ((size_t)(end - p) < n || memcmp(p, open, n) != 0)
		return false;
	p += n;
	n = (size_t)(end - p);
	if (n != 25 || p[24] != ')')
		return false;
	memcpy(l->wal_file, p, 24);
	l->wal_file[24] = '\0';
	return strspn(l->wal_file, "0123456789ABCDEF") == 24;
}

static bool
parse_timeline(struct backup_label *l, const char *p, const char *end)
{
	uint64_t	v = 0;

	if (p == end)
		return false;
	for (; p < end; p++) {
		if (*p < '0' || *p > '9')
			return false;
		v = v * 10 + (uint64_t)(*p - '0');
		if (v > UINT32_MAX)
			return false;
	}
	l->timeline = (uint32_t)v;
	return v != 0;
}

/* One line; false if it is malformed. */
static bool
parse_label_line(struct backup_label *l, const char *p, const char *end)
{
	const char	*v;

	if (has_key(p, end, "START WAL LOCATION: ", &v))
		return parse_start(l, v, end);
	if (has_key(p, end, "CHECKPOINT LOCATION: ", &v))
		return lsn_scan(&v, end, &l->checkpoint_lsn) && v == end;
	if (has_key(p, end, "START TIMELINE: ", &v))
		return parse_timeline(l, v, end);
	if (has_key(p, end, "BACKUP METHOD: ", &v))
		l->streamed = equals(v, end, "streamed");
	else if (has_key(p, end, "BACKUP FROM: ", &v))
		l->from_standby = equals(v, end, "standby");
	else if (has_key(p, end, "INCREMENTAL FROM", &v))
		return false;
	return true;	/* START TIME, LABEL, and what is to come */
}

int
backup_label_parse(struct backup_label *l, const char *text, size_t n,
    struct err *e)
{
	struct backup_label r = { 0 };
	const char	*p = text, *end = text + n, *eol;

	while (p < end) {
		eol = memchr(p, '\n', (size_t)(end - p));
		if (eol == NULL)
			eol = end;
		if (!parse_label_line(&r, p, eol)) {
			return err_set(e, ERR_FORMAT,
			    "backup_label has a malformed line \"%.*s\"",
			    (int)MIN(eol - p, 120), p);
		}
		p = eol == end ? end : eol + 1;
	}
	if (r.wal_file[0] == '\0' || r.checkpoint_lsn == 0 || r.timeline == 0) {
		return err_set(e, ERR_FORMAT, "backup_label lacks its start "
		    "location, checkpoint or timeline");
	}
	*l = r;
	return 0;
}

int
tablespace_map_next(const char *text, size_t n, size_t *pos, uint32_t *oid,
    char *path, size_t size)
{
	const char	*p = text + *pos, *end = text + n;
	uint64_t	 v = 0;
	size_t		 len = 0;

	if (p == end)
		return 0;
	for (; p < end && *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (uint64_t)(*p - '0');
		if (v > UINT32_MAX)
			return ERR_FORMAT;
	}
	if (v == 0 || p == end || *p != ' ')
		return ERR_FORMAT;
	for (p++; p < end && *p != '\n' && *p != '\r'; p++) {
		/* A backslash stands before a line break or a backslash. */
		if (*p == '\\' && ++p == end)
			return ERR_FORMAT;
		if (*p == '\0' || len + 1 >= size)
			return ERR_FORMAT;
		path[len++] = *p;
	}
	if (len == 0)
		return ERR_FORMAT;
	path[len] = '\0';
	while (p < end && (*p == '\n' || *p == '\r'))
		p++;
	*oid = (uint32_t)v;
	*pos = (size_t)(p - text);
	return 1;
}

size_t
tablespace_map_format(char *out, size_t size, uint32_t oid, const char *path)
{
	char	number[16];
	size_t	n;

	n = (size_t)snprintf(number, sizeof(number), "%u ", oid);
	if (n > size)
		return 0;
	memcpy(out, number, n);
	for (; *path != '\0'; path++) {
		if (n + 3 > size)
			return 0;
		if (*path == '\n' || *path == '\r' || *path == '\\')
			out[n++] = '\\';
		out[n++] = *path;
	}
	if (n + 1 > size)
		return 0;
	out[n++] = '\n';
	return n;
}
