/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/pack.h"

#include <string.h>

#include "common/err.h"

void
pack_set_init(struct pack_set *s, int (*put)(void *, uint32_t, const void *,
    size_t, struct err *), void *arg)
{
	s->put = put;
	s->arg = arg;
	atomic_init(&s->count, 0);
	atomic_init(&s->stored, 0);
}

void
pack_init(struct pack *p, struct pack_set *s)
{
	memset(p, 0, sizeof(*p));
	p->set = s;
}

void
pack_release(struct pack *p)
{
	free(p->bytes);
	pack_init(p, p->set);
}

/* Room for n bytes more; only a pack that is empty or small gets larger. */
static int
make_room(struct pack *p, size_t n, struct err *e)
{
	unsigned char	*bytes;
	size_t		 room;

	if (p->room - p->len >= n)
		return 0;
	room = MAX(PACK_SIZE, p->len + n);
	bytes = realloc(p->bytes, room);
	if (bytes == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	p->bytes = bytes;
	p->room = room;
	return 0;
}

int
pack_add(struct pack *p, const void *bytes, size_t n, uint32_t *number,
    uint64_t *offset, struct err *e)
{
	int	rc;

	if (p->len > 0 && p->len + n > PACK_SIZE) {
		rc = pack_flush(p, e);
		if (rc != 0)
			return rc;
	}
	rc = make_room(p, n, e);
	if (rc != 0)
		return rc;
	if (p->len == 0)
		p->number = atomic_fetch_add(&p->set->count, 1);
	memcpy(p->bytes + p->len, bytes, n);
	*number = p->number;
	*offset = p->len;
	p->len += n;
	return 0;
}

int
pack_flush(struct pack *p, struct err *e)
{
	int	rc;

	if (p->len == 0)
		return 0;
	rc = p->set->put(p->set->arg, p->number, p->bytes, p->len, e);
	if (rc != 0)
		return rc;
	atomic_fetch_add(&p->set->stored, p->len);
	p->len = 0;
	return 0;
}
