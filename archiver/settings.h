/* SPDX-License-Identifier: MIT */
/*
 * settings - the archiver's options: pgBackRest's names, our tables.
 *
 * A value comes, in rising order of precedence, from the option's default,
 * the file's sections [global], [global:command], [stanza] and
 * [stanza:command], the environment (PGBACKREST_REPO1_PATH, then
 * HOMELAB_ARCHIVER_REPO1_PATH), and the command line. Options of pgBackRest
 * that are not done yet give a warning; unknown ones are errors that name
 * file and line.
 *
 * Calling sequence: settings_load(), any reads, settings_release().
 */
#ifndef ARCHIVER_SETTINGS_H
#define ARCHIVER_SETTINGS_H

#include "common/base.h"

#include "common/opt.h"

struct buf;
struct err;

#define SETTINGS_REPO_MAX	8	/* repo1 … repo8 */
#define SETTINGS_STANZA_MAX	64	/* characters of its name */

enum settings_compression { COMPRESS_NONE, COMPRESS_LZ4, COMPRESS_LATER };
enum settings_type {
	TYPE_DEFAULT, TYPE_FULL, TYPE_IMMEDIATE, TYPE_LSN, TYPE_NAME,
	TYPE_NONE, TYPE_PRESERVE, TYPE_STANDBY, TYPE_TIME, TYPE_XID, TYPE_LATER
};
enum settings_target_action { TARGET_PAUSE, TARGET_PROMOTE, TARGET_SHUTDOWN };
enum settings_backup_repos { BACKUP_REPOS_FIRST, BACKUP_REPOS_ALL };
enum settings_archive_mode { ARCHIVE_MODE_PRESERVE, ARCHIVE_MODE_OFF };
enum settings_output { OUTPUT_TEXT, OUTPUT_JSON };
enum settings_log_level {
	SETTINGS_LOG_OFF, SETTINGS_LOG_ERROR, SETTINGS_LOG_WARN,
	SETTINGS_LOG_INFO, SETTINGS_LOG_DEBUG
};
enum settings_repo_type { REPO_POSIX, REPO_S3, REPO_LATER };
enum settings_cipher { CIPHER_NONE, CIPHER_LATER };
enum settings_retention { RETENTION_COUNT, RETENTION_LATER };
enum settings_transport { TRANSPORT_AUTO, TRANSPORT_LIBS3, TRANSPORT_LATER };
enum settings_uri_style { URI_STYLE_PATH, URI_STYLE_HOST };

#define OPT_GROUP(title)
#define OPT(kind, name, def, min, max, flags, help) OPT_CTYPE_##kind name;
#define OPT_ENUM(name, def, choices, flags, help) OPT_CTYPE_ENUM name;
struct settings_general {
#include "archiver/settings.def"
};
struct settings_pg {
#include "archiver/settings_pg.def"
};
struct settings_repo {
#include "archiver/settings_repo.def"
};
#undef OPT_GROUP
#undef OPT
#undef OPT_ENUM

extern const struct opt_table settings_general_table;
extern const struct opt_table settings_pg_table;
extern const struct opt_table settings_repo_table;

struct settings {
	struct settings_general o;
	struct settings_pg	pg;		/* pg1 */
	struct settings_repo	repo[SETTINGS_REPO_MAX];
	/* Which repositories are configured; index 0 is repo1. If `repo` is
	   given, only that one. */
	bool			has_repo[SETTINGS_REPO_MAX];
	/* Which of them have a path or a type of their own. */
	bool			is_placed[SETTINGS_REPO_MAX];
	/* The file has a section of this stanza; true without a stanza. */
	bool			has_section;
	/* The same without regard to `repo`. */
	bool			configured[SETTINGS_REPO_MAX];
};

struct settings_source {
	const char	*command;	/* "archive-push"; NULL: none */
	const char	*const *env;	/* as environ; NULL: none */
	int		 argc;		/* without the program's name */
	const char	*const *argv;
	const char	*stanza;	/* if the command line names none */
};

/*
 * Reads everything. Positional arguments, the command among them, go to
 * args (room for argc), their number to *n. Warnings are appended to
 * `warnings`, one a line. Errors: ERR_CONFIG (file:line: …; and what
 * settings_check.h finds), ERR_USAGE (the command line), ERR_NOT_YET,
 * err_sys()'s for a file that was named and cannot be read; that the default
 * file is missing is no error.
 */
int	settings_load(struct settings *out, const struct settings_source *,
	    const char **args, int *n, struct buf *warnings, struct err *e)
	    MUST_CHECK;
void	settings_release(struct settings *);

/*
 * The names of the stanzas of a file, newline after each: its sections
 * without those of global and of commands.
 */
int	settings_stanzas(const char *file, struct buf *out, struct err *e)
	    MUST_CHECK;

#endif /* ARCHIVER_SETTINGS_H */
