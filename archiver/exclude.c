/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/exclude.h"

#include <string.h>

/* Directories that a server needs but whose content it makes again. */
static const char *const emptied[] = {
	"pg_dynshmem",
	"pg_notify",
	"pg_replslot",
	"pg_serial",
	"pg_snapshots",
	"pg_stat_tmp",
	"pg_subtrans",
};

/* Files at the top of the data directory. */
static const char *const skipped_top[] = {
	"backup_label",
	"backup_label.old",
	"backup_manifest",
	"current_logfiles.tmp",
	"postgresql.auto.conf.tmp",
	"postmaster.opts",
	"postmaster.pid",
	"recovery.signal",
	"standby.signal",
	"tablespace_map",
	"tablespace_map.old",
};

static bool
is_one_of(const char *s, const char *const *list, size_t n)
{
	size_t	i;

	for (i = 0; i < n; i++) {
		if (strcmp(s, list[i]) == 0)
			return true;
	}
	return false;
}

static bool
has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Decimal digits at *s, at least one, without a sign; moves behind them. */
static bool
scan_number(const char **s, uint32_t *v)
{
	const char	*p = *s;
	uint64_t	 r = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		r = r * 10 + (uint64_t)(*p - '0');
		if (r > UINT32_MAX)
			return false;
	}
	if (p == *s)
		return false;
	*s = p;
	*v = (uint32_t)r;
	return true;
}

/* t<backend>_<relation>[_fork][.segment]: a temporary relation. */
static bool
is_temporary(const char *name)
{
	struct relation	r;
	uint32_t	backend;

	if (*name++ != 't' || !scan_number(&name, &backend) || *name++ != '_')
		return false;
	return relation_parse(name, &r);
}

enum exclude_verdict
exclude_path(const char *path, bool is_directory)
{
	const char	*slash = strrchr(path, '/');
	const char	*name = slash == NULL ? path : slash + 1;

	if (has_prefix(name, "pgsql_tmp"))
		return EXCLUDE_SKIP;
	if (is_directory) {
		if (slash == NULL &&
		    is_one_of(path, emptied, ARRAY_LEN(emptied)))
			return EXCLUDE_EMPTY;
		/* The server expects these two inside an empty pg_wal. */
		if (strcmp(path, "pg_wal/archive_status") == 0 ||
		    strcmp(path, "pg_wal/summaries") == 0)
			return EXCLUDE_EMPTY;
		if (has_prefix(path, "pg_wal/"))
			return EXCLUDE_SKIP;
		return EXCLUDE_COPY;
	}
	if (has_prefix(path, "pg_wal/"))
		return EXCLUDE_SKIP;
	if (slash == NULL &&
	    is_one_of(path, skipped_top, ARRAY_LEN(skipped_top)))
		return EXCLUDE_SKIP;
	if (has_prefix(name, "pg_internal.init"))
		return EXCLUDE_SKIP;
	if (slash != NULL && is_temporary(name))
		return EXCLUDE_SKIP;
	return EXCLUDE_COPY;
}

bool
relation_parse(const char *name, struct relation *r)
{
	struct relation	x = { 0, 0, RELATION_MAIN };

	/* Zeroes in front are never written, so "007" is somebody's file. */
	if (*name < '1' || *name > '9' || !scan_number(&name, &x.number))
		return false;
	if (has_prefix(name, "_fsm")) {
		x.fork = RELATION_FSM;
		name += 4;
	} else if (has_prefix(name, "_vm")) {
		x.fork = RELATION_VM;
		name += 3;
	} else if (has_prefix(name, "_init")) {
		x.fork = RELATION_INIT;
		name += 5;
	}
	if (*name == '.') {
		name++;
		if (*name < '1' || *name > '9' ||
		    !scan_number(&name, &x.segment))
			return false;
	}
	if (*name != '\0')
		return false;
	*r = x;
	return true;
}

bool
relation_directory(const char *path)
{
	uint32_t	n;

	if (strcmp(path, "global") == 0)
		return true;
	if (has_prefix(path, "base/")) {
		path += 5;
		return scan_number(&path, &n) && *path == '\0';
	}
	if (!has_prefix(path, "pg_tblspc/"))
		return false;
	path += 10;
	if (!scan_number(&path, &n) || *path++ != '/' ||
	    !has_prefix(path, "PG_"))
		return false;
	path = strchr(path, '/');
	if (path == NULL)
		return false;
	path++;
	return scan_number(&path, &n) && *path == '\0';
}
