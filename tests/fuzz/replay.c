/* SPDX-License-Identifier: MIT */
/*
 * Feeds a fuzzer's committed inputs to it, without libFuzzer and so with any
 * compiler: `make check` runs tests/fuzz/corpus/<name>_fuzz through each
 * fuzzer, with and without sanitizers. What once crashed is among them.
 *
 * usage: <name>_fuzz file|directory...	prints TAP, a line for each
 */
#include "common/base.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static size_t	inputs;

/* Each input in memory of its very own size, for the redzone behind it. */
static void
replay_file(const char *path)
{
	FILE	*f = fopen(path, "rb");
	uint8_t	*bytes = NULL;
	long	 n = -1;

	if (f != NULL && fseek(f, 0, SEEK_END) == 0)
		n = ftell(f);
	if (n >= 0 && fseek(f, 0, SEEK_SET) == 0)
		bytes = malloc(n > 0 ? (size_t)n : 1);
	if (bytes == NULL || fread(bytes, 1, (size_t)n, f) != (size_t)n) {
		printf("Bail out! cannot read %s\n", path);
		exit(1);
	}
	fclose(f);
	/* Said before: when it dies, the last line names the input. */
	printf("# %s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(bytes, (size_t)n);
	inputs++;
	free(bytes);
}

static void
replay(const char *path)
{
	struct dirent	**names = NULL;
	int		 n = scandir(path, &names, NULL, alphasort);
	char		 file[1024];

	if (n < 0 && errno == ENOTDIR) {
		replay_file(path);
		return;
	}
	if (n < 0) {
		printf("Bail out! cannot read %s: %s\n", path,
		    strerror(errno));
		exit(1);
	}
	for (int i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.') {
			snprintf(file, sizeof file, "%s/%s", path,
			    names[i]->d_name);
			replay_file(file);
		}
		free(names[i]);
	}
	free(names);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		inputs = 0;
		replay(argv[i]);
		printf("%sok %d - %zu inputs of %s\n", inputs > 0 ? "" : "not ",
		    i, inputs, argv[i]);
	}
	printf("1..%d\n", argc - 1);
	return 0;
}
