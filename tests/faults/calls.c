/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "tests/faults/calls.h"

#include <sys/syscall.h>

const struct call calls[] = {
	{ "openat", SYS_openat, CALL_OPENAT, -1 },
	{ "write", SYS_write, CALL_FD, 2 },
	{ "writev", SYS_writev, CALL_FD, -1 },
	{ "pwrite", SYS_pwrite64, CALL_FD, 2 },
	{ "pwritev", SYS_pwritev, CALL_FD, -1 },
	{ "sendto", SYS_sendto, CALL_FD, 2 },
	{ "sendmsg", SYS_sendmsg, CALL_FD, -1 },
	{ "sendfile", SYS_sendfile, CALL_FD, -1 },
	{ "copy_file_range", SYS_copy_file_range, CALL_FD, -1 },
	{ "fsync", SYS_fsync, CALL_FD, -1 },
	{ "fdatasync", SYS_fdatasync, CALL_FD, -1 },
	{ "syncfs", SYS_syncfs, CALL_FD, -1 },
	{ "sync_file_range", SYS_sync_file_range, CALL_FD, -1 },
	{ "ftruncate", SYS_ftruncate, CALL_FD, -1 },
	{ "fallocate", SYS_fallocate, CALL_FD, -1 },
	{ "fchmod", SYS_fchmod, CALL_FD, -1 },
	{ "fchown", SYS_fchown, CALL_FD, -1 },
	{ "truncate", SYS_truncate, CALL_PATH, -1 },
	{ "mkdirat", SYS_mkdirat, CALL_AT, -1 },
	{ "unlinkat", SYS_unlinkat, CALL_AT, -1 },
	{ "fchmodat", SYS_fchmodat, CALL_AT, -1 },
	{ "fchownat", SYS_fchownat, CALL_AT, -1 },
	{ "utimensat", SYS_utimensat, CALL_AT, -1 },
	{ "renameat", SYS_renameat, CALL_ATS, -1 },
	{ "renameat2", SYS_renameat2, CALL_ATS, -1 },
	{ "linkat", SYS_linkat, CALL_ATS, -1 },
#ifdef SYS_open		/* not on newer architectures */
	{ "open", SYS_open, CALL_OPEN, -1 },
	{ "mkdir", SYS_mkdir, CALL_PATH, -1 },
	{ "rmdir", SYS_rmdir, CALL_PATH, -1 },
	{ "unlink", SYS_unlink, CALL_PATH, -1 },
	{ "chmod", SYS_chmod, CALL_PATH, -1 },
	{ "chown", SYS_chown, CALL_PATH, -1 },
	{ "lchown", SYS_lchown, CALL_PATH, -1 },
	{ "rename", SYS_rename, CALL_PATHS, -1 },
	{ "link", SYS_link, CALL_PATHS, -1 },
	{ "symlink", SYS_symlink, CALL_PATHS, -1 },
#endif
};

const size_t calls_count = sizeof(calls) / sizeof(calls[0]);

const struct call *
call_find(long nr)
{
	size_t i;

	for (i = 0; i < calls_count; i++) {
		if (calls[i].nr == nr)
			return &calls[i];
	}
	return NULL;
}
