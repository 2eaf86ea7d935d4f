/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/random.h"

#include <errno.h>
#include <sys/random.h>

int
random_fill(void *bytes, size_t n)
{
	unsigned char *p = bytes;

	while (n > 0) {
		/* Up to 256 bytes come whole; larger ones may be cut. */
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		p += got;
		n -= (size_t)got;
	}
	return 0;
}
