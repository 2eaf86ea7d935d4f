/* SPDX-License-Identifier: MIT */
/*
 * ctloptions - homelabctl's configuration: homelabctl.ini.
 *
 * One section, [homelabctl], one member per key, under the key's own name;
 * ctloptions.def is the list. Life cycle: ctloptions_load(), ctloptions_release().
 */
#ifndef HOMELABCTL_CTLOPTIONS_H
#define HOMELABCTL_CTLOPTIONS_H

#include "common/base.h"

#include "common/opt.h"

#define OPTIONS_FILE	"/etc/homelab/homelabctl.ini"

struct ctloptions {
#define OPT(kind, name, def, min, max, flags, help) OPT_CTYPE_##kind name;
#define OPT_GROUP(title)
#include "homelabctl/ctloptions.def"
#undef OPT
#undef OPT_GROUP
};

extern const struct opt_table homelabctl_option_table;

/*
 * Defaults, then the file. path NULL: OPTIONS_FILE, which may be missing; a
 * file that was named may not. ERR_CONFIG names file and line. On failure *o
 * holds nothing.
 */
int	ctloptions_load(const char *path, struct ctloptions *o, struct err *e)
	    MUST_CHECK;
void	ctloptions_release(struct ctloptions *);

#endif /* HOMELABCTL_CTLOPTIONS_H */
