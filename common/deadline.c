/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/deadline.h"

#include <string.h>

#include "common/err.h"

void
deadlines_init(struct deadlines *h)
{
	memset(h, 0, sizeof(*h));
}

void
deadlines_release(struct deadlines *h)
{
	size_t	i;

	for (i = 1; i <= h->count; i++) {
		h->slots[i]->index = 0;
		h->slots[i]->due = 0;
	}
	free(h->slots);
	deadlines_init(h);
}

static void
place(struct deadlines *h, size_t i, struct deadline *d)
{
	h->slots[i] = d;
	d->index = i;
}

static void
sift_up(struct deadlines *h, struct deadline *d)
{
	size_t	i = d->index;

	while (i > 1 && h->slots[i / 2]->key > d->key) {
		place(h, i, h->slots[i / 2]);
		i /= 2;
	}
	place(h, i, d);
}

static void
sift_down(struct deadlines *h, struct deadline *d)
{
	size_t	i = d->index;

	for (;;) {
		size_t	child = 2 * i;

		if (child > h->count)
			break;
		if (child < h->count &&
		    h->slots[child + 1]->key < h->slots[child]->key)
			child++;
		if (h->slots[child]->key >= d->key)
			break;
		place(h, i, h->slots[child]);
		i = child;
	}
	place(h, i, d);
}

static int
insert(struct deadlines *h, struct deadline *d)
{
	if (h->count + 2 > h->cap) {
		size_t	cap = h->cap == 0 ? 64 : 2 * h->cap;
		struct deadline **slots = realloc(h->slots,
		    cap * sizeof(struct deadline *));

		if (slots == NULL)
			return ERR_NOMEM;
		h->slots = slots;
		h->cap = cap;
	}
	h->count++;
	place(h, h->count, d);
	sift_up(h, d);
	return 0;
}

int
deadline_set(struct deadlines *h, struct deadline *d, uint64_t at)
{
	if (at == 0 || at == DEADLINE_NEVER) {
		deadline_clear(d);
		return 0;
	}
	d->due = at;
	if (d->index != 0) {
		if (at < d->key) {
			d->key = at;
			sift_up(h, d);
		}
		return 0;
	}
	d->key = at;
	if (insert(h, d) != 0) {
		d->due = 0;
		return ERR_NOMEM;
	}
	return 0;
}

void
deadline_clear(struct deadline *d)
{
	d->due = 0;
}

void
deadline_remove(struct deadlines *h, struct deadline *d)
{
	struct deadline *last;
	size_t	i = d->index;

	d->due = 0;
	if (i == 0)
		return;
	d->index = 0;
	last = h->slots[h->count--];
	if (last == d)
		return;
	place(h, i, last);
	sift_up(h, last);
	sift_down(h, last);
}

void
deadlines_expire(struct deadlines *h, uint64_t now)
{
	while (h->count > 0 && h->slots[1]->key <= now) {
		struct deadline *d = h->slots[1];

		if (d->due > now) {
			/* It had moved later; now its place follows. */
			d->key = d->due;
			sift_down(h, d);
			continue;
		}
		if (d->due == 0) {
			deadline_remove(h, d);
			continue;
		}
		deadline_remove(h, d);
		d->fn(d);
	}
}

uint64_t
deadlines_next(const struct deadlines *h)
{
	return h->count == 0 ? DEADLINE_NEVER : h->slots[1]->key;
}
