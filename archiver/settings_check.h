/* SPDX-License-Identifier: MIT */
/*
 * settings_check - what is wrong with a configuration as a whole.
 *
 * settings.c sets one option at a time; here is what no single line shows:
 * sections that nobody reads, keys that nobody sees, repositories that have
 * no place or the same one. Better an error today than a default that is
 * discovered on the day of the restore. Pure.
 */
#ifndef ARCHIVER_SETTINGS_CHECK_H
#define ARCHIVER_SETTINGS_CHECK_H

#include "common/base.h"

struct conf;
struct err;
struct settings;

/*
 * The file's structure. ERR_CONFIG with file and line: a key before the
 * first section, a section whose part behind the colon is no verb, an option
 * twice in a section (`is_list` says which may be), an option without a
 * value, one that only the command line takes (config, stanza), one of the
 * daemon's outside of [global].
 */
int	settings_check_file(const struct conf *, bool (*is_list)(const char *),
	    struct err *) MUST_CHECK;

/*
 * The result. ERR_CONFIG: a name that cannot be a stanza's, a path that is
 * not absolute, repoN (N > 1) with options but neither path nor type, two
 * repositories in one place.
 */
int	settings_check(const struct settings *, struct err *) MUST_CHECK;

#endif /* ARCHIVER_SETTINGS_CHECK_H */
