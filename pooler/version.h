/* SPDX-License-Identifier: MIT */
/*
 * version - what SHOW VERSION, the log and the command line's -V print.
 */
#ifndef POOLER_VERSION_H
#define POOLER_VERSION_H

#define POOLER_VERSION	"PgBouncer " PGBOUNCER_COMPAT \
	" (homelab-pooler " HOMELAB_VERSION ")"

#endif /* POOLER_VERSION_H */
