/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/random.h"

#include <errno.h>
#include <string.h>
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

int
random_pool_fill(struct random_pool *p, void *bytes, size_t n)
{
	unsigned char *from;
	int	r;

	assert(n <= sizeof(p->bytes));
	if (p->left < n) {
		p->left = 0;
		r = random_fill(p->bytes, sizeof(p->bytes));
		if (r != 0)
			return r;
		p->left = sizeof(p->bytes);
	}
	from = p->bytes + sizeof(p->bytes) - p->left;
	memcpy(bytes, from, n);
	explicit_bzero(from, n);
	p->left -= n;
	return 0;
}

void
random_pool_wipe(struct random_pool *p)
{
	explicit_bzero(p, sizeof(*p));
}
