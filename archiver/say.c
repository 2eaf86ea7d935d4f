/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/say.h"

#include <stdio.h>

#include "common/progress.h"

void
say_result(void *bar, const char *text)
{
	progress_clear(bar);
	fputs(text, stdout);
}

void
say_warning(void *bar, const char *text)
{
	progress_clear(bar);
	fprintf(stderr, "homelab-archiver: %s\n", text);
}

void
say_progress(void *bar, const char *what, int64_t done, int64_t total)
{
	progress_draw(bar, what, done, total);
}
